"""Everything that goes wrong as the one error shape of the AI Gateway: `{"error": {"message", "type", …}}`."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cost_top.model.errors import Broken, CannotAnswer, SourceError, SourceRefused, SourceThrottled, UserError, one_line
from cost_top.serve.exact import ExactResponse

_TYPES = {
    401: "authentication_error",
    403: "forbidden",
    404: "not_found",
    429: "rate_limit_exceeded",
}
_FOLDERS = re.compile(r"(?<![\w/])(?:[A-Za-z]:)?[~.]?[/\\](?:[^\s/\\:]+[/\\])*(?=[^\s/\\]|$)")
_STATEMENT = re.compile(r"\b(?:LINE \d+:|SELECT\s|WITH\s+\w+\s+AS\b|query:)", re.IGNORECASE)
# How long a client should wait for history that is being read, or for a source that does not answer.
PATIENCE_SECONDS = 5


class Problem(Exception):
    """An answer that is an error. `message` is one line for people; `param` is the parameter that is wrong."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, retry_after: float | None = None, code: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = one_line(message, 500)
        self.param = param
        self.code = code
        self.headers: dict[str, str] = {}
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, int(retry_after + 0.999)))

    @property
    def type(self) -> str:
        """The kind of error, in the AI Gateway's words."""
        return _TYPES.get(self.status, "internal_server_error" if self.status >= 500 else "invalid_request_error")

    def body(self) -> dict[str, object]:
        """The error object."""
        error: dict[str, object] = {"message": self.message, "type": self.type}
        if self.param is not None:
            error["param"] = self.param
        if self.code:
            error["code"] = self.code
        return {"error": error}


def problem_response(problem: Problem) -> Response:
    """The error as an HTTP answer."""
    return ExactResponse(problem.body(), problem.status, problem.headers)


def problem_of(error: Exception) -> Problem:
    """What the client is told of a failure: of an unexpected one, nothing but that it happened."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, CannotAnswer):
        return Problem(400, str(error), code="cannot_answer")
    if isinstance(error, UserError):
        return Problem(400, str(error))
    if isinstance(error, SourceError) and not isinstance(error, Broken):
        return _of_source(error)
    report_failure(error.__cause__ if isinstance(error, Broken) and error.__cause__ is not None else error)
    return Problem(500, "the server failed; its log has the place")


def _of_source(error: SourceError) -> Problem:
    told = harmless(str(error))
    if isinstance(error, SourceRefused):
        return Problem(400, told, code="source_refused")
    if isinstance(error, SourceThrottled):
        return Problem(503, told, retry_after=error.wait or PATIENCE_SECONDS, code="source_throttled")
    return Problem(503, told, retry_after=PATIENCE_SECONDS)


def harmless(text: str) -> str:
    """A source's line about itself as strangers may read it: no passwords, no folders, no statements.

    >>> harmless("/srv/log/gateway.db: is locked"), harmless("postgresql://me:pw@db/x: gone LINE 1: SELECT 1")
    ('gateway.db: is locked', 'db/x: gone')
    """
    text = re.sub(r"\b[a-z][a-z0-9+.-]*://(?:[^\s/]*@)?", "", one_line(text, 1000), flags=re.IGNORECASE)
    text = _FOLDERS.sub("", text)
    return _STATEMENT.split(text)[0].strip() or "the source does not answer"


def report_failure(error: BaseException) -> None:
    """Where it failed, to stderr. Not what it says and not the values: they may be a stranger's data or a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    place = "".join(f"\n  {frame.name} ({frame.filename}:{frame.lineno})" for frame in frames)
    say(f"{type(error).__name__} in{place}")


def say(line: str) -> None:
    """A line on stderr."""
    sys.stderr.write(f"cost-top serve: {line}\n")
    sys.stderr.flush()


def install(app: FastAPI) -> None:
    """Answer every error of the framework in the one shape."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    for kind in (Problem, UserError, SourceError):
        app.add_exception_handler(kind, _known)


async def _known(_: Request, error: Exception) -> Response:
    return problem_response(problem_of(error))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: Mapping[str, object] = error.errors()[0]
    place = first["loc"]
    name = str(place[-1]) if isinstance(place, tuple) and place else ""
    said = str(first["msg"]).removeprefix("Value error, ")
    return problem_response(Problem(400, f"{name}: {said[:1].lower()}{said[1:]}", param=name))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        problem = Problem(404, "no such path; /docs lists them")
    elif error.status_code == 405:
        problem = Problem(
            405, f"{one_line(request.method, 20)} is not a method of this path", code="method_not_allowed"
        )
    else:
        problem = Problem(error.status_code, HTTPStatus(error.status_code).phrase)
    problem.headers.update(error.headers or {})
    return problem_response(problem)
