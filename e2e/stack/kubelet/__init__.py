"""A process kubelet and a scheduler for it: a pod is a local process with an address of its own.

What a pod does wrong is said by its annotations. Must not know the rest of the stack.
"""

NODE = "stack"
PREFIX = "e2e.layby.dev/"
FAILURE = f"{PREFIX}failure"
"""`ImagePullBackOff`, `CrashLoopBackOff` or `Unschedulable`: what becomes of the pod instead."""
START_DELAY = f"{PREFIX}start-delay"
"""How long the pod's containers take to be started, as `1.5s`."""
PROBE_PERIOD = f"{PREFIX}probe-period"
"""Instead of a readiness probe's `periodSeconds`, which has whole seconds, as `50ms`."""
