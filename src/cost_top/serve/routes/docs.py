"""`GET /openapi.json`, and `GET /docs`: the same for eyes.

The page is written here, without scripts and without anything from elsewhere: it works where there is no internet,
under the strictest content policy, and ages with nothing but this server.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

router = APIRouter(include_in_schema=False)

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--dim:#777}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{font:600 1.05rem ui-monospace,monospace;margin:2.5rem 0 .3rem;border-top:1px solid var(--line);padding-top:1rem}
h2 b{color:#0a7d5a;margin-right:.5rem}h3{font-size:.9rem;margin:1rem 0 .3rem;color:var(--dim)}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;
border-bottom:1px solid var(--line)}code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{overflow-x:auto;padding:.6rem;border:1px solid var(--line)}nav a{display:block}small{color:var(--dim)}
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The description of this API."""
    return JSONResponse(request.app.openapi())


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The description as a page."""
    return HTMLResponse(page(request.app.openapi()), headers={"Content-Security-Policy": _POLICY})


def page(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document."""
    return "".join(_page(document))


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    yield f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>"
    yield f"<p>{_prose(info['description'])}</p>"
    yield '<p>For programs: <a href="openapi.json">openapi.json</a></p><nav>'
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for method, path, _ in operations:
        yield f'<a href="#{_anchor(method, path)}"><code>{method} {escape(path)}</code></a>'
    yield "</nav>"
    for method, path, operation in operations:
        yield from _operation(method, path, operation)
    yield "<h2>Objects</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield from _object(name, schema)
    yield "</body></html>"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h2 id="{_anchor(method, path)}"><b>{method}</b>{escape(path)}</h2>'
    yield f"<p>{_prose(operation.get('description', operation.get('summary', '')))}</p>"
    parameters = operation.get("parameters", ())
    if parameters:
        yield "<h3>Parameters</h3><table>"
        for parameter in parameters:
            schema = parameter["schema"]
            needed = " (required)" if parameter.get("required") else ""
            told = parameter.get("description") or schema.get("description", "")
            yield _row(f"{parameter['name']}{needed}", _kind(schema), _prose(told))
        yield "</table>"
    body = operation.get("requestBody")
    if body:
        yield f"<h3>Body</h3><p>{_kind(body['content']['application/json']['schema'])}</p>"
    yield "<h3>Answers</h3><table>"
    for status, answer in operation["responses"].items():
        kinds = [_kind(content.get("schema", {})) for content in answer.get("content", {}).values()]
        yield _row(status, ", ".join(kinds), _prose(answer.get("description", "")))
    yield "</table>"


def _object(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{_prose(schema.get("description", ""))}</p><table>'
    for field, kind in schema.get("properties", {}).items():
        yield _row(field, _kind(kind), _prose(kind.get("description", "")))
    yield "</table>"


def _row(name: str, kind: str, told: str) -> str:
    return f"<tr><th><code>{escape(name)}</code></th><td>{kind}</td><td>{told}</td></tr>"


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words of HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    choices = [_kind(part) for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    if choices:
        return " or ".join(choices)
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    told = escape(str(schema.get("format") or schema.get("type", "")))
    default = schema.get("default")
    return told if default in (None, "", {}) else f"{told}, default <code>{escape(str(default))}</code>"


def _prose(text: str) -> str:
    """Text with `code` in it."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _anchor(method: str, path: str) -> str:
    return escape(f"{method.lower()}{path.replace('/', '-').replace('{', '').replace('}', '')}")
