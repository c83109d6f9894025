"""Receivers of notices on loopback, speaking the real protocols: HTTP, SMTP, and just enough of TLS to see the name."""

import base64
import hashlib
import hmac
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
SECRET = "whsec_" + base64.b64encode(b"the key of a test, 32 bytes long").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"another key of a test, 32 bytes.").decode()


@dataclass
class Heard:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    endless: bool = False
    silent: bool = False


@dataclass
class Receiver:
    """An HTTP server that gives these answers in turn, the last one for ever."""

    answers: list[Answer]
    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/hook", scheme: str = "http") -> str:
        return f"{scheme}://{HOST}:{self.port}{path}"


@contextmanager
def receiver(*answers: Answer) -> Iterator[Receiver]:
    made = Receiver(list(answers) or [Answer()])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = made.answers[min(len(made.heard), len(made.answers) - 1)]
            made.heard.append(Heard(self.path, headers, body))
            if answer.silent:
                made.over.wait()
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            while answer.endless and not made.over.is_set():
                try:
                    self.wfile.write(b"x" * 65536)
                except OSError:
                    return

        do_GET = do_POST

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer((HOST, 0), Handler)
    made.port = server.server_port
    with _serving(server, made.over.set):
        yield made


@contextmanager
def tls_listener() -> Iterator[tuple[int, list[bytes]]]:
    """Reads how a client greets over TLS, and hangs up."""
    greetings: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            greetings.append(self.request.recv(4096))

    server = socketserver.ThreadingTCPServer((HOST, 0), Handler)
    with _serving(server):
        yield server.server_address[1], greetings


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """Takes any mail."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 mail.example")
            while line := self.rfile.readline().decode().strip():
                match line.split()[0].upper():
                    case "EHLO":
                        self._say("250-mail.example\r\n250 AUTH PLAIN LOGIN")
                    case "AUTH":
                        self._say("235 welcome")
                    case "DATA":
                        self._say("354 go on")
                        mails.append("".join(iter(lambda: self.rfile.readline().decode(), ".\r\n")))
                        self._say("250 taken")
                    case "QUIT":
                        self._say("221 bye")
                        return
                    case _:
                        self._say("250 ok")

        def _say(self, text: str) -> None:
            self.wfile.write(text.encode() + b"\r\n")

    server = socketserver.ThreadingTCPServer((HOST, 0), Handler)
    with _serving(server):
        yield server.server_address[1], mails


def verify(heard: Heard, secret: str) -> bool:
    """Check a signature as the standard's own words describe it, without any code of ours."""
    key = base64.b64decode(secret[len("whsec_") :])
    signed = b".".join([heard.headers["webhook-id"].encode(), heard.headers["webhook-timestamp"].encode(), heard.body])
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return f"v1,{expected}" in heard.headers["webhook-signature"].split(" ")


def answering(*addresses: str) -> tuple[Callable[..., Any], list[str]]:
    """A resolver that answers with the next of these addresses each time, and the names it was asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(host, str) or not host.endswith(".example"):
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return real(addresses[min(len(asked), len(addresses)) - 1], port, *args, **kwargs)

    return resolve, asked


@contextmanager
def _serving(server: socketserver.BaseServer, end: Callable[[], None] = lambda: None) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end()
        server.shutdown()
        server.server_close()
        thread.join()
