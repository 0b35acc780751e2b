"""A real control plane on one machine: etcd, Kubernetes, istiod, Envoys and a process kubelet.

For the end-to-end tests, and for people: `python -m e2e.stack up`. Must not know Layby.
"""
