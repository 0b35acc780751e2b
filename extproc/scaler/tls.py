"""The certificate that the scaler shows, and the authority whose clients it takes, from files.

Read again for each connection, so that a rotated certificate needs no restart. Must not know what
is served.
"""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the PEM files are, as cert-manager or a Secret has them.

    Args:
        certificate: the server's certificate, with intermediate ones behind it.
        key: its private key, unencrypted.
        client_ca: the authorities whose certificates a client must show; None asks for none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @classmethod
    def given(
        cls, certificate: Path | None, key: Path | None, client_ca: Path | None
    ) -> "TlsFiles | None":
        """The files that somebody has named; None if there are none.

        Raises:
            ValueError: only some of them are named.
        """
        if certificate and key:
            return cls(certificate, key, client_ca)
        if certificate or key:
            raise ValueError("TLS needs both a certificate and its key")
        if client_ca:
            raise ValueError("to ask clients for a certificate, give the server one, and its key")
        return None

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the files.

        Raises:
            OSError: a file cannot be read, or does not hold what it should (ssl.SSLError).
        """
        rotation = Rotation(self)
        return grpc.dynamic_ssl_server_credentials(
            rotation.current,
            rotation.look,
            require_client_authentication=self.client_ca is not None,
        )

    def read(self) -> tuple[bytes, bytes, bytes | None]:
        """What the files hold now, and fit together."""
        authorities = self.client_ca.read_bytes() if self.client_ca else None
        content = (self.key.read_bytes(), self.certificate.read_bytes(), authorities)
        # gRPC would say no more than that it could not make a server.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Without a password it would ask the terminal for one.
        context.load_cert_chain(self.certificate, self.key, password="")
        if self.client_ca:
            context.load_verify_locations(self.client_ca)
        return content


class Rotation:
    """The newest content of the files that makes sense.

    Args:
        files: which must make sense now.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._content = files.read()
        self.current = _configuration(*self._content)

    def look(self) -> grpc.ServerCertificateConfiguration:
        """Read the files again. Called by gRPC's threads, before each handshake."""
        try:
            content = self._files.read()
        except OSError as error:
            log.warning("keeping the certificate there was: %s: %s", self._files.certificate, error)
            return self.current
        if content != self._content:
            self._content, self.current = content, _configuration(*content)
            log.info("took the new certificate of %s", self._files.certificate)
        return self.current


def _configuration(
    key: bytes, certificate: bytes, authorities: bytes | None
) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(key, certificate)], authorities)
