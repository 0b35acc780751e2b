"""What a process tells of itself: metrics, traces, logs.

Fed by small hooks of the hold server and the controller. Must not know either of them.
"""
