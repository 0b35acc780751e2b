"""What a held request and a warm one cost, measured; `python -m bench.hold`.

Its loads go to loopback only, and are bounded in count and time.
"""
