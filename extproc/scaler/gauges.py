"""What is told of KEDA to whoever watches a hold server: its streams, and how it was answered.

Must not know how that is exposed.
"""

from extproc.scaler.service import ScalerService
from telemetry.catalogue.scaling import KEDA_CALLS, KEDA_STREAMS
from telemetry.store import Store


def watch(store: Store, service: ScalerService) -> None:
    """Have the store ask the service whenever it is read."""
    store.watch(KEDA_STREAMS, lambda: [((), float(service.streams))])
    store.begin(KEDA_CALLS)
    store.watch(KEDA_CALLS, lambda: [(k, float(n)) for k, n in service.calls.items()])
