"""KEDA in the stack, as an option: its operator, its metrics adapter and its admission webhooks.

Owns their addresses. Must not know who scales what.
"""

NAMESPACE = "keda"
DNS = "192.0.2.40"
OPERATOR = "192.0.2.41"
ADAPTER = "192.0.2.42"
WEBHOOKS = "192.0.2.43"
