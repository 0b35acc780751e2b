"""The decisions of a hold server: who parks, who goes on, who is refused, when to wake and sleep.

Pure and synchronous: time is an argument, the caller acts. Must not know of event loops, gRPC,
Kubernetes or clocks.
"""
