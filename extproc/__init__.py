"""The hold server: an Envoy ext_proc service that parks the headers of requests with nowhere to go.

`core/` decides, the modules beside it act, `wire/` is the protocol. These must not know who starts
workloads or where endpoints come from: they are given a `Waker`, and the throttler is told.
"""
