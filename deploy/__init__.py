"""What is applied to a cluster, and what makes it. Not part of the distribution."""
