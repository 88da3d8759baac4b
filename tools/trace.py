"""The request that the present task serves: its id, and the trace that it is part of (W3C Trace Context).

Whoever takes a request in binds it; logs show the id, and the clients hand both on. So one search for an id
finds a question's whole way.
"""

import re
import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final, NamedTuple

REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class Trace(NamedTuple):
    """`traceparent` is the header as it came; empty where none did."""

    request_id: bytes
    traceparent: bytes = b""

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What is sent on."""
        own = [(b"x-request-id", self.request_id)]
        return [*own, (b"traceparent", self.traceparent)] if self.traceparent else own


_CURRENT: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace | None:
    """What the present task serves."""
    return _CURRENT.get()


def bind(trace: Trace) -> None:
    """From now on this task, and those that it starts, serve `trace`."""
    _CURRENT.set(trace)


def trace_of(headers: Mapping[bytes, bytes], *, otherwise: bytes | None = None) -> Trace:
    """The trace of a request: the id that it brings, else its trace's, else `otherwise`, else a new one."""
    given = headers.get(b"x-request-id", b"")
    parent = headers.get(b"traceparent", b"")
    found = TRACEPARENT.fullmatch(parent) if parent else None
    if REQUEST_ID.fullmatch(given):
        return Trace(given, parent if found else b"")
    if found is not None:
        return Trace(found[1], parent)
    return Trace(otherwise or uuid.uuid4().hex.encode())
