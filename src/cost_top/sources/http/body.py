"""The bytes of an answer, unpacked with a bound: httpx would unpack a piece whole, however large it becomes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping


def encoding_of(headers: Mapping[str, str]) -> str:
    """How the bytes are packed: `identity`, `gzip`, or what the server says."""
    encoding = headers.get("content-encoding", "").strip().lower() or "identity"
    return "gzip" if encoding == "x-gzip" else encoding


def unpack(chunks: Iterable[bytes], packed: bool, limit: int) -> tuple[bytes, bool]:
    """At most `limit` + 1 bytes, and whether the packed (gzip) form ended too early. Raises `zlib.error`."""
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 16) if packed else None
    content = bytearray()
    for chunk in chunks:
        room = limit + 1 - len(content)
        content += decoder.decompress(chunk, room) if decoder else chunk[:room]
        if len(content) > limit:
            return bytes(content), False
    return bytes(content), decoder is not None and not decoder.eof
