import asyncio
import shutil
import socket
from contextlib import asynccontextmanager

import grpc
import pytest

from extproc.scaler.tls import TlsFiles
from extproc.server import ServiceServer
from tests.extproc.scaler.certificates import Certificate, make
from tests.extproc.scaler.keda import AWAITED, Keda, ScriptedDemand, pushed, scaler, serving

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture
def demand():
    demand = ScriptedDemand()
    demand.say(AWAITED)
    return demand


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """The server's, KEDA's, and somebody else's."""
    folder = tmp_path_factory.mktemp("certificates")
    return {name: make(folder, name) for name in ("server", "keda", "stranger")}


@asynccontextmanager
async def keda_at(port: int, trusted: Certificate, shown: Certificate | None = None):
    """KEDA with a TriggerAuthentication: caCert, and perhaps tlsClientCert and tlsClientKey."""
    credentials = grpc.ssl_channel_credentials(
        trusted.path.read_bytes(),
        shown.key.read_bytes() if shown else None,
        shown.path.read_bytes() if shown else None,
    )
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        yield Keda(channel)


async def is_let_in(port: int, trusted: Certificate, shown: Certificate | None = None) -> bool:
    """Whether KEDA gets an answer."""
    async with keda_at(port, trusted, shown) as keda:
        try:
            return bool(await keda.is_active())
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                return False
            raise


@needs_openssl
async def test_it_serves_over_tls(demand, certificates):
    """KEDA with enableTLS, or a caCert; to a plain connection there is no answer."""
    server = certificates["server"]
    async with serving(scaler(demand), TlsFiles(server.path, server.key)) as port:
        assert await is_let_in(port, trusted=server)
        assert not await is_let_in(port, trusted=certificates["stranger"])
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await Keda(channel).is_active()


@needs_openssl
async def test_it_takes_only_clients_that_show_a_certificate_it_trusts(demand, certificates):
    """Whoever may ask learns what is asleep, and how busy the rest is."""
    server, keda, stranger = certificates.values()
    tls = TlsFiles(server.path, server.key, client_ca=keda.path)
    async with serving(scaler(demand), tls) as port:
        assert await is_let_in(port, trusted=server, shown=keda)
        assert not await is_let_in(port, trusted=server)
        assert not await is_let_in(port, trusted=server, shown=stranger)


@needs_openssl
async def test_a_rotated_certificate_is_shown_without_a_restart(demand, certificates, tmp_path):
    """They live for days only; and what is connected stays so."""
    keda, stranger = certificates["keda"], certificates["stranger"]
    old, new = make(tmp_path, "old"), make(tmp_path, "new")
    trusted = make(tmp_path, "trusted")
    was = Certificate(tmp_path / "was.crt", old.key)
    was.path.write_bytes(old.path.read_bytes())
    now = Certificate(tmp_path / "now.crt", new.key)
    now.path.write_bytes(new.path.read_bytes())
    trusted.path.write_bytes(keda.path.read_bytes())
    tls = TlsFiles(old.path, old.key, client_ca=trusted.path)
    async with serving(scaler(demand), tls) as port, keda_at(port, was, keda) as connected:
        assert await connected.is_active()
        old.replace_by(new)
        trusted.path.write_bytes(stranger.path.read_bytes())
        assert await is_let_in(port, trusted=now, shown=stranger)
        assert not await is_let_in(port, trusted=was, shown=stranger)
        assert not await is_let_in(port, trusted=now, shown=keda)
        assert await connected.is_active()


@needs_openssl
@pytest.mark.parametrize("what", ["certificate", "key", "client_ca"])
async def test_a_file_that_makes_no_sense_changes_nothing(
    demand, certificates, tmp_path, caplog, what
):
    """A certificate and its key are not replaced in the same instant; KEDA must get through."""
    keda, own = certificates["keda"], make(tmp_path, "own")
    was, authority = tmp_path / "was.crt", tmp_path / "authority.crt"
    was.write_bytes(own.path.read_bytes())
    authority.write_bytes(keda.path.read_bytes())
    tls = TlsFiles(own.path, own.key, client_ca=authority)
    async with serving(scaler(demand), tls) as port:
        path = {"certificate": own.path, "key": own.key, "client_ca": authority}[what]
        other = certificates["stranger"]
        path.write_bytes({"certificate": other.path, "key": other.key}.get(what, was).read_bytes())
        if what == "client_ca":
            path.write_text("not a certificate")
        assert await is_let_in(port, trusted=Certificate(was, own.key), shown=keda)
        path.unlink()
        assert await is_let_in(port, trusted=Certificate(was, own.key), shown=keda)
    assert "keeping the certificate there was" in caplog.text


@needs_openssl
@pytest.mark.parametrize("broken", ["certificate", "key", "client_ca"])
def test_files_that_are_of_no_use_from_the_start_are_an_error(certificates, tmp_path, broken):
    """In words, before anybody connects; not a server that lets nobody in."""
    server = certificates["server"]
    empty = tmp_path / "empty.pem"
    empty.touch()
    files = {"certificate": server.path, "key": server.key, "client_ca": server.path}
    for path in (empty, tmp_path / "nowhere.pem"):
        with pytest.raises(OSError):  # noqa: PT011 - the words are OpenSSL's
            TlsFiles(**{**files, broken: path}).credentials()


async def test_an_address_that_is_taken_is_an_os_error_that_names_it(demand):
    """Two servers on one port would each be asked half of the time."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address}"):
            ServiceServer(scaler(demand)).listen(address)


async def test_stopping_ends_every_stream_with_ok(demand):
    """Only then is KEDA back in two seconds; otherwise it waits longer each time. Asleep or
    waiting, and hundreds of them.
    """
    server = ServiceServer(scaler(demand))
    port = server.listen("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        asleep = [Keda(channel, f"hold-{number}").follow() for number in range(500)]
        waiting = Keda(channel).follow()
        assert await pushed(waiting)
        async with asyncio.timeout(10):
            await server.stop(2.0)
            codes = [await call.code() for call in (waiting, *asleep)]
        assert [grpc.StatusCode.OK] * 501 == codes
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
