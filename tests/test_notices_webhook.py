"""Webhooks: what arrives, where they may not go, and what an answer means."""

import socket
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from dure.notices import webhook
from dure.notices.addresses import Allowed, InternalAddress, is_public
from dure.notices.webhook import Message, NotDelivered
from dure.queue.retry import Final, Retryable
from receivers import HOST, OTHER_SECRET, SECRET, Answer, answering, receiver, tls_listener, verify

pytestmark = pytest.mark.own_server

LOOPBACK = Allowed.of(["127.0.0.0/8"])
NOTHING = Allowed.of([])
NOW = datetime(2030, 1, 1, tzinfo=UTC).isoformat()
MESSAGE = Message("0198-7a", "run.waiting", NOW, {"operation": "학생.정리", "counts": {"delete": 3}})


async def post(url: str, allowed: Allowed = LOOPBACK, secrets: tuple[str, ...] = (SECRET,)) -> int:
    return await webhook.post(SecretStr(url), MESSAGE, [SecretStr(secret) for secret in secrets], allowed)


async def test_arrives_signed():
    with receiver() as here:
        assert await post(here.url("/hook?who=ops")) == 200
    [heard] = here.heard
    assert verify(heard, SECRET)
    assert not verify(heard, OTHER_SECRET)
    assert (heard.path, heard.headers["host"]) == ("/hook?who=ops", f"{HOST}:{here.port}")
    assert heard.headers["webhook-id"] == "0198-7a"
    assert abs(int(heard.headers["webhook-timestamp"]) - datetime.now(UTC).timestamp()) < 60
    assert heard.json == {"type": "run.waiting", "timestamp": NOW, "data": MESSAGE.data}


async def test_while_a_secret_is_replaced_both_verify():
    with receiver() as here:
        await post(here.url(), secrets=(OTHER_SECRET, SECRET))
    assert verify(here.heard[0], SECRET)
    assert verify(here.heard[0], OTHER_SECRET)


async def test_a_changed_body_does_not_verify():
    with receiver() as here:
        await post(here.url())
    here.heard[0].body = here.heard[0].body.replace(b"3", b"4")
    assert not verify(here.heard[0], SECRET)


async def test_is_never_sent_unsigned():
    with receiver() as here, pytest.raises(Final, match="unsigned"):
        await post(here.url(), secrets=())
    assert here.heard == []


@pytest.mark.parametrize("spelling", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_an_internal_receiver_is_refused_however_it_is_spelt(spelling):
    with receiver() as here, pytest.raises(InternalAddress):
        await post(f"http://{spelling}:{here.port}/", NOTHING)
    assert here.heard == []


async def test_a_name_may_not_lead_elsewhere_after_it_was_checked(monkeypatch):
    resolve, asked = answering("127.0.0.1", "127.0.0.2")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with receiver() as here:
        await post(f"http://hooks.example:{here.port}/", Allowed.of(["127.0.0.1/32"]))
        assert here.heard[0].headers["host"] == f"hooks.example:{here.port}"
        assert asked == ["hooks.example"]
        with pytest.raises(InternalAddress):
            await post(f"http://hooks.example:{here.port}/", Allowed.of(["127.0.0.1/32"]))
    assert len(here.heard) == 1


async def test_one_internal_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    def both(_host, port, **_kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(InternalAddress):
        await post("https://hooks.example/", NOTHING)


async def test_a_host_may_be_allowed_by_its_name(monkeypatch):
    resolve, _ = answering("127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with receiver() as here:
        assert await post(f"http://hooks.example:{here.port}/", Allowed.of(["Hooks.Example."])) == 200


async def test_tls_asks_for_the_name_and_not_for_the_address(monkeypatch):
    resolve, _ = answering("127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with tls_listener() as (port, greetings), pytest.raises(Retryable):
        await post(f"https://hooks.example:{port}/")
    assert b"hooks.example" in greetings[0]


async def test_http_is_for_allowed_receivers_only(monkeypatch):
    resolve, _ = answering("8.8.8.8")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(InternalAddress, match="https"):
        await post("http://hooks.example/", LOOPBACK)


async def test_a_redirect_to_the_inside_is_not_followed():
    with receiver() as inside, receiver(Answer(302, {"location": inside.url("/admin")})) as outside:
        with pytest.raises(Final, match="302"):
            await post(outside.url())
        assert inside.heard == []


@pytest.mark.parametrize("status", [400, 404, 410, 413, 429, 500, 503])
async def test_an_answer_that_is_no_success_is_told(status):
    with receiver(Answer(status)) as here, pytest.raises(NotDelivered, match=str(status)) as caught:
        await post(here.url())
    assert caught.value.response.status_code == status


async def test_a_body_without_end_is_not_read():
    with receiver(Answer(endless=True)) as here:
        assert await post(here.url()) == 200


async def test_a_receiver_that_says_nothing_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.3)
    with receiver(Answer(silent=True)) as here, pytest.raises(Retryable, match="within"):
        await post(here.url())


async def test_no_receiver_is_a_reason_to_try_again_that_does_not_show_the_url():
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Retryable) as caught:
        await post(f"http://{HOST}:{port}/hunter2?token=hunter2")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("url", ["https://me:hunter2@hooks.example/", "https://", "http://[::1"])
async def test_a_url_that_is_none_is_final_and_not_shown(url):
    with pytest.raises(Final) as caught:
        await post(url)
    assert "hunter2" not in str(caught.value)


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    with receiver() as proxy, receiver() as here:
        monkeypatch.setenv("HTTP_PROXY", proxy.url(""))
        monkeypatch.setenv("ALL_PROXY", proxy.url(""))
        await post(here.url())
        assert (len(here.heard), proxy.heard) == (1, [])


def test_an_ipv6_address_goes_into_a_url_with_its_brackets():
    assert (
        str(httpx.URL("https://hooks.example:8443/x").copy_with(host="2606:4700::1")) == "https://[2606:4700::1]:8443/x"
    )


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.0.9", "198.18.0.1",
        "192.0.2.1", "203.0.113.9", "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
        "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1",
        "2002:a00:1::", "2001::a00:1",
    ],
)  # fmt: skip
def test_inside(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_outside(address):
    assert is_public(address)


def test_what_is_allowed_covers_an_address_in_both_its_forms():
    allowed = Allowed.of(["10.1.0.0/16", "fd00:1::/32"])
    assert allowed.address("10.1.2.3")
    assert allowed.address("::ffff:10.1.2.3")
    assert allowed.address("fd00:1::5")
    assert not allowed.address("10.2.0.1")
    assert not allowed.host("10.1.2.3.example")
