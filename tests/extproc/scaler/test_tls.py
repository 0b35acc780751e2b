import shutil
from pathlib import Path

import pytest

from extproc.scaler.tls import Rotation, TlsFiles
from tests.extproc.scaler.certificates import make

A, B, C = Path("a.crt"), Path("b.key"), Path("c.crt")


def test_no_file_at_all_means_no_tls():
    """And that only."""
    assert TlsFiles.given(None, None, None) is None
    assert TlsFiles(A, B) == TlsFiles.given(A, B, None)
    assert TlsFiles(A, B, C) == TlsFiles.given(A, B, C)


@pytest.mark.parametrize(
    ("certificate", "key", "client_ca", "said"),
    [
        (A, None, None, "both"),
        (None, B, None, "both"),
        (None, None, C, "give the server one"),
        (A, None, C, "both"),
    ],
)
def test_half_of_it_is_an_error(certificate, key, client_ca, said):
    """Somebody wanted TLS; plain text would let everybody in."""
    with pytest.raises(ValueError, match=said):
        TlsFiles.given(certificate, key, client_ca)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_certificate_is_made_anew_only_when_the_files_are_others_and_fit(tmp_path, caplog):
    """It is looked at before each handshake."""
    own, other = make(tmp_path, "own"), make(tmp_path, "other")
    rotation = Rotation(TlsFiles(own.path, own.key))
    first = rotation.current
    assert first is rotation.look()
    other.path.replace(own.path)
    assert first is rotation.look()
    assert "keeping the certificate there was" in caplog.text
    other.key.replace(own.key)
    second = rotation.look()
    assert second is not first
    assert second is rotation.look()
    own.key.unlink()
    assert second is rotation.look()
