"""What somebody typed into a form reaches no machine inside, whatever name it goes by."""

import socket
import ssl
from typing import Any

import pytest

from pool.alerts import http
from pool.alerts.addresses import is_internal
from pool.alerts.delivery import send_test
from tests.pool.alerts.conftest import SECRET


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%2",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:7f00:1::",
        "::127.0.0.1",
    ],
)
def test_internal(address):
    assert is_internal(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_not_internal(address):
    assert not is_internal(address)


@pytest.mark.parametrize("url", ["http://[fd00:ec2::254]/", "https://[fd00:ec2::254]/"])
def test_an_ipv6_address_without_a_port_is_taken_for_what_it_is(url):
    outcome = http.post(url, b"", {}, internal=False)
    assert outcome.detail.startswith("fd00:ec2::254 is an internal address")


@pytest.fixture
def forbidden(settings: Any, receiver: Any) -> Any:
    settings.LB_ALERT_INTERNAL = False
    return receiver


def test_an_internal_address_is_refused_with_the_way_out(webhook, forbidden):
    delivery = send_test(webhook)
    assert delivery.state == "failed"
    assert delivery.detail == (
        "127.0.0.1 is an internal address: LB_ALERT_INTERNAL=true allows those"
    )
    assert forbidden.requests == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"])
def test_whatever_it_is_written_as(webhook, forbidden, host):
    webhook.url = forbidden.url.replace("127.0.0.1", host)
    webhook.save()
    assert "internal address" in send_test(webhook).detail
    assert forbidden.requests == []


def test_a_name_that_changes_its_mind_gains_nothing(webhook, forbidden, monkeypatch):
    """The address that was looked at is the one that is connected to: it is looked up once."""
    port = int(forbidden.url.rpartition(":")[2].partition("/")[0])
    answers = ["8.8.8.8", "127.0.0.1", "127.0.0.1"]
    connected = []

    def resolve(host: str, port: int, timeout: float) -> Any:
        where = (answers.pop(0), port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", where)]

    def refuse(address: Any, deadline: float) -> Any:
        connected.append(address[4][0])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(http._resolver, "resolve", resolve)
    monkeypatch.setattr(http, "open_socket", refuse)
    webhook.url = f"http://rebind.example:{port}/"
    webhook.save()
    assert send_test(webhook).detail == "connection refused"
    assert connected == ["8.8.8.8"]
    assert "internal" in send_test(webhook).detail
    assert connected == ["8.8.8.8"]


def test_proxies_of_the_environment_are_not_asked(webhook, receiver, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert send_test(webhook).state == "delivered"


def test_one_that_trickles_is_cut_in_time(webhook, settings, monkeypatch, db):
    settings.LB_ALERT_INTERNAL = True
    monkeypatch.setattr(http, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        webhook.url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        webhook.save()
        assert send_test(webhook).detail == "no answer within 0.3 s"


def test_a_certificate_that_nobody_vouches_for_is_refused(webhook, receiver):
    webhook.url = receiver.url.replace("http://", "https://")
    webhook.save()
    delivery = send_test(webhook)
    assert (delivery.state, delivery.detail.partition(":")[0]) == ("failed", "TLS failed")
    assert isinstance(http._tls_context(), ssl.SSLContext)
    assert http._tls_context().verify_mode == ssl.CERT_REQUIRED
    assert SECRET not in delivery.detail
