"""Tells what a person named (a folder, a GGUF file, a hub id, an Ollama name, a URL) and looks at it."""

import re
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from servers.pool.catalog.kinds import Kind
from servers.pool.catalog.sources.facts import Facts
from servers.pool.catalog.sources.gguf_file import inspect_gguf
from servers.pool.catalog.sources.ollama_tag import inspect_ollama
from servers.pool.catalog.sources.openai_server import inspect_server
from servers.pool.catalog.sources.weights_folder import inspect_folder
from tools.errors import BadRequest

SourceKind: TypeAlias = Literal["folder", "gguf", "hub", "ollama", "url"]
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class Source(NamedTuple):
    """What was named: its kind, and the path, id, tag or URL."""

    kind: SourceKind
    place: str


class Access(NamedTuple):
    """What looking may need: Ollama's address, a key for a URL or the hub, the model's name at a URL."""

    ollama_url: str
    key: str | None = None
    upstream: str | None = None
    kind: Kind = "chat"


def find_source(text: str) -> Source:
    """What `text` names; `hub:` and `ollama:` say it plainly. Raises BadRequest for what is nothing of these.

    A path that exists is itself; `owner/name` is the hub's, any other name Ollama's.
    """
    for prefix in ("hub", "ollama"):
        if text.startswith(f"{prefix}:") and len(text) > len(prefix) + 1:
            return Source(prefix, text.removeprefix(f"{prefix}:"))
    if not text.strip():
        raise BadRequest(
            "name a folder, a .gguf file, a hub id, an Ollama name or a URL", param="source", source="pool"
        )
    if text.startswith(("http://", "https://")):
        return Source("url", text)
    path = Path(text).expanduser()
    if path.is_dir():
        return Source("folder", str(path))
    if path.is_file() and path.suffix == ".gguf":
        return Source("gguf", str(path))
    if path.exists() or path.is_absolute() or text.startswith((".", "~")) or path.suffix == ".gguf":
        what = "is neither a folder nor a .gguf file" if path.exists() else "is not there"
        raise BadRequest(f"{text} {what}", param="source", source="pool")
    if HUB_ID.fullmatch(text):
        return Source("hub", text)
    if "/" in text.partition(":")[0]:
        raise BadRequest(f"{text!r} is no path, hub id, Ollama name or URL", param="source", source="pool")
    return Source("ollama", text)


def inspect(source: Source, access: Access) -> Facts:
    """What is known of a source without loading it; blocking. Raises `tools.errors`."""
    match source.kind:
        case "folder":
            return inspect_folder(Path(source.place))
        case "gguf":
            return inspect_gguf(Path(source.place))
        case "hub":
            from servers.pool.catalog.sources.hub_repository import inspect_hub  # noqa: PLC0415  (slow to load)

            return inspect_hub(source.place, token=access.key)
        case "ollama":
            return inspect_ollama(access.ollama_url, source.place)
        case "url":
            return inspect_server(source.place, upstream=access.upstream, key=access.key, kind=access.kind)
