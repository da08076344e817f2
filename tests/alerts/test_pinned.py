"""What a webhook may reach: the address that was checked and no other, whatever the name says later."""

from __future__ import annotations

import ssl
import subprocess

import httpx
import pytest

from cost_top.alerts.pinned import Refused, checked_addresses, post
from support.webhook_receiver import WebhookReceiver

PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "::1",
    "fc00::1", "fe80::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:0a00:0001::1", "fe80::1%eth0",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_a_private_address_is_refused_also_beside_a_public_one(address):
    url = httpx.URL("https://hooks.example.com/x")
    for found in ([address], ["93.184.216.34", address]):
        with pytest.raises(Refused, match="private"):
            checked_addresses(url, False, False, lambda *_, found=found: found)
    assert checked_addresses(url, True, False, lambda *_: [address]) == [address]


def test_a_public_address_passes():
    found = checked_addresses(httpx.URL("https://hooks.example.com/"), False, False, lambda *_: ["93.184.216.34"])
    assert found == ["93.184.216.34"]


@pytest.mark.parametrize(("url", "said"), [
    ("http://hooks.example.com/", "plain http"), ("ftp://hooks.example.com/", "https"), ("file:///etc/passwd", "https"),
])  # fmt: skip
def test_only_https_leaves_this_machine(url, said):
    outcome = post(url, {}, b"{}", insecure=True, resolve=lambda *_: ["93.184.216.34"])
    assert outcome.status is None
    assert said in outcome.error


def test_a_name_is_looked_up_once_and_that_address_is_used():
    with WebhookReceiver() as hook:
        port = httpx.URL(hook.url).port
        answers = iter([["127.0.0.1"], ["10.0.0.1"]])
        asked = []

        def resolve(host: str, _: int) -> list[str]:
            asked.append(host)
            return next(answers)

        outcome = post(f"http://rebind.example:{port}/x", {}, b"{}", insecure=True, resolve=resolve)
        assert outcome.ok
        assert asked == ["rebind.example"]
        assert hook.requests[0].headers["host"] == f"rebind.example:{port}"


def test_all_addresses_of_a_name_are_tried():
    with WebhookReceiver() as hook:
        port = httpx.URL(hook.url).port
        outcome = post(
            f"http://two.example:{port}/", {}, b"", insecure=True, resolve=lambda *_: ["127.0.0.9", "127.0.0.1"]
        )
        assert outcome.ok


def test_a_name_without_an_address_is_said():
    def resolve(*_: object) -> list[str]:
        raise OSError(-2, "Name or service not known")

    assert "no address" in post("https://nowhere.invalid/", {}, b"", resolve=resolve).error


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with WebhookReceiver() as hook:
        assert post(hook.url, {}, b"", insecure=True).ok


def test_the_certificate_is_that_of_the_name_not_of_the_address(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    name = ["-subj", "/CN=hooks.example", "-addext", "subjectAltName=DNS:hooks.example"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", certificate, *name],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with WebhookReceiver(tls=context) as hook:
        trust = ssl.create_default_context(cafile=str(certificate))

        def send(host: str) -> str:
            return post(f"https://{host}:{hook.port}/", {}, b"", allow_private=True, verify=trust,
                        resolve=lambda *_: ["127.0.0.1"]).told  # fmt: skip

        assert "certificate" in send("other.example")
        assert send("hooks.example") == "answered 204"


@pytest.mark.parametrize(
    ("spelled", "seconds"),
    [("7", 7.0), ("-5", 0.0), ("soon", None), ("999999999", 86400.0), ("9" * 400, 86400.0)],
)
def test_retry_after_is_read_with_care(spelled, seconds):
    with WebhookReceiver(answers=[(429, {"Retry-After": spelled})]) as hook:
        assert post(hook.url, {}, b"", insecure=True).retry_after == seconds
