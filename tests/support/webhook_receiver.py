"""A real receiver of webhooks on loopback that misbehaves on demand, and remembers every request."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Request:
    headers: dict[str, str]
    body: bytes
    path: str


@dataclass
class WebhookReceiver:
    """`answers` are used up in order, the last one for ever: a status, or (status, headers), or a word for a fault."""

    answers: list[object] = field(default_factory=lambda: [204])
    requests: list[Request] = field(default_factory=list)
    late_seconds: float = 0.0
    on_request: Callable[[Request], None] | None = None
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        if self.tls is not None:
            self._socket = self.tls.wrap_socket(self._socket, server_side=True)
        self._stopping = False
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/s3cret"

    def __enter__(self) -> WebhookReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._socket.close()

    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.requests]

    def _serve(self) -> None:
        while not self._stopping:
            try:
                connection, _ = self._socket.accept()
            except ssl.SSLError:  # a client that does not trust the certificate
                continue
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
            while len(body) < int(headers.get("content-length", 0)):
                body += connection.recv(65536)
            request = Request(headers, body, lines[0].split()[1])
            self.requests.append(request)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if self.on_request is not None:
                self.on_request(request)
            self._answer(connection, answer)

    def _answer(self, connection: socket.socket, answer: object) -> None:
        if answer == "hang":
            time.sleep(self.late_seconds)
            return
        if answer == "close":
            return
        if answer == "half":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nha")
            return
        if answer == "trickle":
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not self._stopping:  # until nobody listens any more
                connection.sendall(b"x")
                time.sleep(0.05)
            return
        if answer == "late":
            time.sleep(self.late_seconds)
            answer = 200
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n{told}\r\n".encode())
