"""The workloads of `layby demo`: small programs with nothing of Layby in them."""
