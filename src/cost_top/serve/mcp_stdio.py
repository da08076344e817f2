"""The protocol over stdin and stdout with an answer to every line, also to one that is no message."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError


class _Answering:
    """A stream of messages; what could not be read is answered by the other stream and left out."""

    def __init__(self, read: Any, write: Any) -> None:
        self._read, self._write = read, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read, name)

    async def __aenter__(self) -> _Answering:
        await self._read.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._read.__aexit__(*error)

    def __aiter__(self) -> _Answering:
        return self

    async def __anext__(self) -> Any:
        while True:
            message = await self._read.__anext__()
            if not isinstance(message, Exception):
                return message
            await self._write.send(SessionMessage(_refusal(message)))


def _refusal(error: Exception) -> JSONRPCError:
    kinds = {each["type"] for each in error.errors()} if isinstance(error, ValidationError) else set()
    code, told = INVALID_REQUEST, "the line is no message of the protocol"
    if "json_invalid" in kinds or not kinds:
        code, told = PARSE_ERROR, "the line is not JSON"
    # Whose question it was cannot be known.
    return JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=code, message=told))


async def serve(server: MCPServer[Any]) -> None:
    """Until stdin ends."""
    lowlevel = server._lowlevel_server
    async with stdio_server() as (read, write):
        await lowlevel.run(_Answering(read, write), write, lowlevel.create_initialization_options())
