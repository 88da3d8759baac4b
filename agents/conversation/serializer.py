"""A checkpoint serializer that signs: each value when written, refused when the signature is not ours.

A row that was changed, or written by someone else, is never decoded: no object is built from it.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from tools.errors import StateRefused
from tools.settings import Settings

SIGNATURE_BYTES = 32
MOST_BYTES = 32 * 2**20


class SignedSerializer(SerializerProtocol):
    """LangGraph's serializer behind an HMAC-SHA256 over type and bytes. No pickle, in or out.

    A value is signature + bytes. Reading raises `StateRefused` for another signature or `MOST_BYTES`.
    `key` gives the key of this moment: a restored backup brings its own.
    """

    def __init__(self, key: Callable[[], bytes]) -> None:
        self.key = key
        self.inner = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """LangGraph's kind and bytes, the signature put before them."""
        kind, data = self.inner.dumps_typed(obj)
        return kind, self._sign(kind, data) + data

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value behind a signature of ours. Raises StateRefused for another, or what is too large."""
        kind, signed = data
        if len(signed) > MOST_BYTES:
            raise StateRefused("a remembered value is too large", source="api")
        signature, value = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(kind, value)):
            raise StateRefused("a remembered value was changed by someone else", source="api")
        return self.inner.loads_typed((kind, value))

    def _sign(self, kind: str, data: bytes) -> bytes:
        return hmac.digest(self.key(), kind.encode() + b"\0" + data, "sha256")


class SealKey:
    """The signing key: from the settings, or from a private file in the data directory, made once and read
    again when it was replaced."""

    def __init__(self, settings: Settings) -> None:
        seal = settings.agents.seal
        self._told = None if seal is None else hashlib.sha256(seal.get_secret_value().encode()).digest()
        self._path = settings.home / "seal.key"
        self._read: tuple[tuple[int, int], bytes] = ((0, 0), b"")

    def __call__(self) -> bytes:
        """The 32 bytes."""
        if self._told is not None:
            return self._told
        try:
            state = self._path.stat()
        except FileNotFoundError:
            _create(self._path)
            state = self._path.stat()
        version = (state.st_ino, state.st_mtime_ns)
        if version != self._read[0]:
            self._read = (version, self._path.read_bytes())
        return self._read[1]


def _create(path: Path) -> None:
    """A new key at `path`, complete or not at all. Another process or thread may be first: its key stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    draft.write_bytes(secrets.token_bytes(32))
    draft.chmod(0o600)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
