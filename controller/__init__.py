"""The controller: what TrafficHolds and HoldPolicies come to in a cluster, by one leader.

Owns plans (pure) and their effects (the API). Must not know the hold servers' code: what they know
comes in through `demand`.
"""
