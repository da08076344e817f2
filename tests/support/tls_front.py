"""TLS in front of a PostgreSQL that was built without it: as the server itself would do it, byte for byte behind it."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from support.required import absent

_ASK_TLS, _ASK_GSS = 80877103, 80877104


def certificate(folder: Path, name: str, names: str) -> Path:
    """A certificate that signs itself, and its key in one file; `names` as in `IP:127.0.0.1,DNS:localhost`."""
    if shutil.which("openssl") is None:
        absent("no openssl on this machine")
    path, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}", "-keyout", key, "-out", path],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


class TlsFront:
    """Listens at `port` and passes on to `behind`; `encrypted` holds how each connection was."""

    def __init__(self, pem: Path, behind: int) -> None:
        self._behind = behind
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.encrypted: list[str | None] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            asked = client.recv(8, socket.MSG_WAITALL)
            while int.from_bytes(asked[4:8]) == _ASK_GSS:
                client.sendall(b"N")
                asked = client.recv(8, socket.MSG_WAITALL)
            if int.from_bytes(asked[4:8]) != _ASK_TLS:
                return  # as a server that takes encrypted connections only
            client.sendall(b"S")
            with self._context.wrap_socket(client, server_side=True) as plain:
                self.encrypted.append(plain.version())
                with socket.create_connection(("127.0.0.1", self._behind)) as server:
                    back = threading.Thread(target=_pump, args=(server, plain), daemon=True)
                    back.start()
                    _pump(plain, server)
                    back.join(5)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
