"""ClickHouse's engine (the wheel chdb) behind its HTTP interface, in a process of its own.

    python chdb_http.py FOLDER PORT USERS.json

A connection for each request: its settings end with it, so that `readonly` binds no other. A user with `denied` is
refused the tables named there, in the server's own words; one with `readonly` may set nothing.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import chdb

# Of the URL: everything else is a setting.
_OURS = {
    "query", "database", "user", "password", "query_id", "session_id", "session_timeout", "default_format", "role",
    "client_protocol_version", "http_headers_progress_interval_ms", "compress", "decompress", "wait_end_of_query",
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Engine

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ping":
            self._answer(200, b"Ok.\n")
        else:
            self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        sql = "\n".join(part for part in (given.get("query", ""), body.decode("utf-8", "surrogateescape")) if part)
        user, password = self._credentials(given)
        known = self.server.users.get(user)
        if known is None or known["password"] != password:
            told = f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no"
            self._fail(403, f"{told} user with such name. (AUTHENTICATION_FAILED)")
            return
        for table in known.get("denied", ()):
            if re.search(rf"\b{re.escape(table)}\b", sql) and "system." not in sql:
                told = f"Code: 497. DB::Exception: {user}: Not enough privileges. To execute this query, it's necessary"
                self._fail(403, f"{told} to have the grant SELECT ON {table}. (ACCESS_DENIED)")
                return
        try:
            self._answer(200, self._run(sql, given, bool(known.get("readonly"))))
        except Exception as error:
            self._fail(500, str(error))

    def _run(self, sql: str, given: dict[str, str], readonly: bool) -> bytes:
        connection = chdb.connect(self.server.folder)
        try:
            settings = {name: value for name, value in given.items() if name not in _OURS}
            if name := given.get("database") or self.headers.get("X-ClickHouse-Database"):
                connection.query(f"USE `{name}`")
            if readonly:
                connection.query("SET readonly = 1")
            # What forbids to set anything comes last.
            for name in sorted(settings, key=lambda name: name == "readonly"):
                value = settings[name].replace("\\", "\\\\").replace("'", "\\'")
                connection.query(f"SET {name} = '{value}'")
            # The engine gives statements ids of its own: the client's stands in a comment, by which it is found again.
            sql = re.sub(r"^KILL QUERY WHERE query_id = '([\w-]+)'", r"KILL QUERY WHERE query LIKE '/* \1 */%'", sql)
            sql = f"/* {given.get('query_id', '')} */ {sql}"
            return connection.query(sql, given.get("default_format", "TabSeparated")).bytes() or b""
        finally:
            connection.close()

    def _credentials(self, given: dict[str, str]) -> tuple[str, str]:
        header = self.headers.get("Authorization", "")
        if header.startswith("Basic "):
            user, _, password = base64.b64decode(header[6:]).decode().partition(":")
            return user or "default", password
        user = self.headers.get("X-ClickHouse-User") or given.get("user") or "default"
        return user, self.headers.get("X-ClickHouse-Key") or given.get("password") or ""

    def _fail(self, status: int, text: str) -> None:
        code = re.search(r"Code: (\d+)", text)
        self._answer(status, text.encode(), {"X-ClickHouse-Exception-Code": code[1] if code else "1001"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True


class Engine(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: str, port: int, users: dict[str, dict[str, str]]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.folder, self.users = folder, users
        # Held open for the whole life: the engine ends with its last connection.
        self.held = chdb.connect(folder)


if __name__ == "__main__":
    folder, port, users = sys.argv[1], int(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text())
    Engine(folder, port, users).serve_forever()
