"""The live page: which workloads are held, how they are doing, how long their starts took.

Told by whoever runs it, a controller or local mode. Must not know either of them.
"""
