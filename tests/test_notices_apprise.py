"""E-mail, chat and the rest: what Apprise is allowed to do, and that it really tells."""

import logging
import socket
import sys

import pytest
from pydantic import SecretStr

from dure.notices import apprise
from dure.notices.addresses import Allowed, InternalAddress
from dure.notices.words import Words
from dure.queue.retry import Final, Retryable
from receivers import HOST, Answer, answering, mail_server, receiver

pytest.importorskip("apprise")
# Its many services warn of their own libraries when they are loaded.
pytestmark = [pytest.mark.own_server, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

LOOPBACK = Allowed.of(["127.0.0.0/8"])
NOTHING = Allowed.of([])
WORDS = Words("students.archive waits for approval", "Run 7 of tenant acme\n변경: 삭제 3", "warning")


async def send(url: str, allowed: Allowed = LOOPBACK) -> None:
    await apprise.send(SecretStr(url), WORDS, allowed)


async def test_a_service_is_told():
    with receiver() as here:
        await send(here.url(scheme="json"))
    told = here.heard[0].json
    assert (told["title"], told["message"], told["type"]) == (WORDS.title, WORDS.body, "warning")


async def test_a_mail_is_sent():
    with mail_server() as (port, mails):
        await send(
            f"mailto://user:hunter2@{HOST}:{port}?smtp={HOST}&mode=insecure&from=dure@example.com&to=ops@example.com"
        )
    assert "Subject: students.archive waits for approval" in mails[0]
    assert "To: ops@example.com" in mails[0]


@pytest.mark.parametrize("status", [401, 404, 429, 500])
async def test_a_service_that_does_not_take_it_is_tried_again(status):
    with receiver(Answer(status)) as here, pytest.raises(Retryable, match="did not take"):
        await send(here.url(scheme="json"))
    assert len(here.heard) == 1


@pytest.mark.parametrize(
    "service", ["ntfy://{host}:{port}/topic", "gotify://{host}:{port}/hunter2", "mmost://{host}:{port}/abc"]
)
async def test_an_internal_host_hears_nothing(service):
    with receiver() as here, pytest.raises(InternalAddress):
        await send(service.format(host=HOST, port=here.port), NOTHING)
    assert here.heard == []


async def test_a_name_that_leads_inside_is_stopped_at_the_socket(monkeypatch):
    # Public when it is looked at, inside when it is connected to.
    resolve, _ = answering("127.0.0.2", "127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with receiver() as here, pytest.raises(InternalAddress):
        await send(f"json://hooks.example:{here.port}/", Allowed.of(["127.0.0.2/32"]))
    assert here.heard == []


async def test_a_redirect_is_not_followed():
    with receiver() as inside, receiver(Answer(307, {"location": inside.url("/admin")})) as outside:
        with pytest.raises(Retryable):
            await send(outside.url(scheme="json"))
        assert inside.heard == []


async def test_a_host_that_was_allowed_by_name_is_reached(monkeypatch):
    resolve, _ = answering("127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with receiver() as here:
        await send(f"json://hooks.example:{here.port}/", Allowed.of(["hooks.example"]))
    assert len(here.heard) == 1


@pytest.mark.parametrize("scheme", sorted(apprise.LOCAL_SCHEMES))
async def test_services_of_this_machine_are_refused(scheme):
    with pytest.raises(Final, match="own machine"):
        await send(f"{scheme}://")


@pytest.mark.parametrize("scheme", sorted(apprise.PLAIN_SCHEMES))
async def test_http_without_tls_is_for_allowed_receivers_only(scheme):
    with pytest.raises(InternalAddress, match="no TLS"):
        await send(f"{scheme}://8.8.8.8/")


@pytest.mark.parametrize("url", ["nosuch://hunter2", "slack://hunter2"])
async def test_a_url_that_is_not_understood_is_final_and_not_shown(url):
    with pytest.raises(Final, match="understands") as caught:
        await send(url)
    assert "hunter2" not in str(caught.value)


async def test_what_apprise_and_its_libraries_log_stays_here(caplog):
    caplog.set_level(logging.DEBUG)
    with receiver(Answer(500)) as here, pytest.raises(Retryable):
        await send(here.url("/hunter2", scheme="json"))
    assert "hunter2" not in caplog.text
    # Only while a notice is sent: what the program itself does with Apprise is its own affair.
    logging.getLogger("apprise").warning("mine")
    assert "mine" in caplog.text


async def test_the_fence_is_around_the_notice_alone():
    with pytest.raises(InternalAddress):
        await send("ntfy://127.0.0.1:9/topic", NOTHING)
    with receiver() as here, socket.create_connection((HOST, here.port)) as connection:
        assert connection.getpeername()[1] == here.port


async def test_a_service_that_says_nothing_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(apprise, "TIMEOUT_S", 0.3)
    with receiver(Answer(silent=True)) as here, pytest.raises(Retryable, match="within"):
        await send(here.url(scheme="json"))


async def test_without_the_extra_the_reason_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(apprise.NotInstalled, match=r"dure\[notify\]"):
        await send("slack://a/b/c")
