"""The demand feed: each hold server tells the others, and the controller, what it knows of demand.

Owns the protocol (`feed.proto`), the sum (`board.py`) and both ends. Must not know what demand
decides.
"""
