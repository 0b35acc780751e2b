"""Envoy's ext_proc and access-log messages, trimmed to what the hot path uses, on plain protobuf.

`proto/` is the source, `gen/` is generated from it, and only this package touches `gen/`.
"""
