"""What is told of the feed to whoever watches a process: how old it is, and whether it is whole.

Must not know how it is exposed.
"""

from feed.hold_servers import HoldServers
from telemetry.catalogue.controlling import FEED_AGE, FEED_COMPLETE
from telemetry.store import Store


def watch(store: Store, hold_servers: HoldServers) -> None:
    """Have the store ask the feed whenever it is read."""
    store.watch(FEED_AGE, lambda: [((), hold_servers.silence())])
    store.watch(FEED_COMPLETE, lambda: [((), float(hold_servers.complete()))])
