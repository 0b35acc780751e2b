"""The Kubernetes API as plain objects: requests, informers, a work queue, leader election, events.

Owns how the API is spoken. Must not know what the objects mean, or anything else of Layby.
"""
