"""Layby with no cluster: a real Envoy, workloads that are local processes, one YAML file.

The same hold server as in a mesh, with processes as another source of endpoints.
"""
