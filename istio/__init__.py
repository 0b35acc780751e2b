"""The gate: the Envoy filters that send a request to a hold server only at zero endpoints.

Pure functions from options to typed Envoy messages, and from those to configuration files.
Must not do I/O.
"""
