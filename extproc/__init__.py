"""The hold server: an Envoy ext_proc service that parks the headers of requests with nowhere to go.

`core/` decides, the modules beside it act, `wire/` is the protocol. Must not know who starts
workloads or where endpoints come from: those reach it through `ports.py`.
"""
