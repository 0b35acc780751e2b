from pathlib import Path

import pytest
from pydantic import ValidationError

from extproc.settings import Settings


def test_every_setting_has_a_default_within_its_own_bounds():
    """Nothing has to be said for it to work."""
    assert Settings() == Settings(**Settings().model_dump())


def test_they_are_read_from_the_environment(monkeypatch):
    """As a pod has them."""
    said = {
        "LISTEN": "127.0.0.1:1",
        "FEED_LISTEN": "127.0.0.1:3",
        "WATCH_NAMESPACES": "till, shop,",
        "FEED_TOKEN_FILE": "/feed/token",
        "SERVICE": "hold",
        "SERVICE_NAMESPACE": "mesh",
        "SCALER_LISTEN": "127.0.0.1:2",
        "SCALER_CERT": "/tls/tls.crt",
        "SCALER_KEY": "/tls/tls.key",
        "SCALER_CLIENT_CA": "/tls/ca.crt",
        "DOMAIN": "example.org",
        "MAX_PENDING": "5",
        "SETTLE_SECONDS": "0",
        "DRAIN_SECONDS": "7",
    }
    for name, value in said.items():
        monkeypatch.setenv(f"LAYBY_EXTPROC_{name}", value)
    expected = {
        "listen": "127.0.0.1:1",
        "feed_listen": "127.0.0.1:3",
        "watch_namespaces": {"shop", "till"},
        "feed_token_file": Path("/feed/token"),
        "service": "hold",
        "service_namespace": "mesh",
        "scaler_listen": "127.0.0.1:2",
        "scaler_cert": Path("/tls/tls.crt"),
        "scaler_key": Path("/tls/tls.key"),
        "scaler_client_ca": Path("/tls/ca.crt"),
        "domain": "example.org",
        "max_pending": 5,
        "settle_seconds": 0.0,
        "drain_seconds": 7.0,
    }
    assert expected == Settings().model_dump()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WATCH_NAMESPACES", "shop till"),
        ("WATCH_NAMESPACES", "Shop"),
        ("MAX_PENDING", "0"),
        ("MAX_PENDING", "many"),
        ("SETTLE_SECONDS", "-1"),
        ("SETTLE_SECONDS", "11"),
        ("DRAIN_SECONDS", "-1"),
        ("DRAIN_SECONDS", "3601"),
    ],
)
def test_a_value_out_of_bounds_is_refused(monkeypatch, name, value):
    """At the start, and not when the first request is parked."""
    monkeypatch.setenv(f"LAYBY_EXTPROC_{name}", value)
    with pytest.raises(ValidationError) as error:
        Settings()
    assert [(name.lower(),)] == [problem["loc"] for problem in error.value.errors()]


def test_each_has_a_sentence_that_says_what_it_is():
    """`layby extproc --help` prints them."""
    assert all(field.description for field in Settings.model_fields.values())


def test_a_certificate_without_its_key_is_refused():
    """KEDA would be shown nothing, and nobody would know why."""
    with pytest.raises(ValidationError, match="both a certificate and its key"):
        Settings(scaler_cert=Path("tls.crt"))
    assert Settings().scaler_tls is None
