"""The listener that KEDA connects to: a port of its own, for its TLS is KEDA's and not the mesh's.

Must not know what is asked and answered.
"""

import grpc

from extproc.scaler.service import ScalerService
from extproc.scaler.tls import TlsFiles
from extproc.server import OPTIONS, bind


class ScalerServer:
    """A gRPC server with the scaler, and nothing else.

    Args:
        service: answers KEDA.
        tls: the certificate to show; None serves in plain text.
    """

    def __init__(self, service: ScalerService, tls: TlsFiles | None = None) -> None:
        self._service = service
        self._tls = tls
        self._server = grpc.aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers((service.handler(),))

    async def start(self, address: str) -> int:
        """Serve on `host:port`; return the port (0 asks for a free one).

        Raises:
            OSError: the address cannot be bound, or the TLS files are of no use.
        """
        credentials = self._tls.credentials() if self._tls else None
        port = bind(self._server, address, credentials)
        await self._server.start()
        return port

    async def stop(self, grace: float) -> None:
        """End KEDA's streams with OK, send it elsewhere, cut what remains after `grace` s.

        Within the grace gRPC waits for handlers that end by themselves: with 500 streams on a busy
        machine none has been seen to end otherwise.
        """
        self._service.close()
        await self._server.stop(grace)
