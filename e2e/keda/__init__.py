"""KEDA with Layby, each real: `tox -e keda`."""
