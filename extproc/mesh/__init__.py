"""The hold server in a mesh: TrafficHolds, EndpointSlices and `/scale` instead of local processes.

`identity`, `directory`, `endpoints` and `diagnosis` decide; `watch`, `waker` and `app` act.
"""
