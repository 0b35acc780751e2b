"""TrafficHold and HoldPolicy, as models in Python and as definitions for the API server.

Owns what a user may write, its defaults and its limits. Must not know how any of it is carried
out, and does no I/O but for `generate`.
"""

GROUP = "layby.dev"
