"""A server on loopback that answers with the bytes a test gives it, at its pace: for faults no framework makes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Script = Callable[[socket.socket], None]


def answer(body: bytes | str, status: int = 200, *headers: str) -> bytes:
    """A whole HTTP answer; `headers` are lines such as `Retry-After: 5`."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


class RawServer:
    """`heads` holds what was asked, `bodies` what was sent along, `connections` how many were made."""

    def __init__(self, script: Script | bytes, tls: ssl.SSLContext | None = None) -> None:
        self._script: Script = script if callable(script) else lambda connection: connection.sendall(script)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._stopped = threading.Event()
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def wait(self, seconds: float) -> bool:
        """Pause a script; True when the server is being stopped."""
        return self._stopped.wait(seconds)

    def stop(self) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(90)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls is not None:
                try:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                except OSError:
                    connection.close()
                    return
            self._open.append(connection)
            with connection:
                while self._read_request(connection):
                    self._script(connection)

    def _read_request(self, connection: socket.socket) -> bool:
        got = b""
        while b"\r\n\r\n" not in got:
            piece = connection.recv(65536)
            if not piece:
                return False
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        self.heads.append(head.decode())
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65536)
        self.bodies.append(body)
        return True


@contextmanager
def raw_server(script: Script | bytes, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """A server for the block."""
    server = RawServer(script, tls)
    try:
        yield server
    finally:
        server.stop()
