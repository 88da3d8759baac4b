"""From a source to a catalogue entry with its weights here: looked at, proposed, pulled or converted."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.catalog.kinds import PATHS, Kind
from servers.pool.catalog.proposal import Machine, model_id, propose
from servers.pool.catalog.sources.facts import Facts
from servers.pool.catalog.sources.inspect import Access, find_source, inspect
from servers.pool.catalog.sources.weights_folder import POOLING
from servers.pool.cli.words import word
from servers.pool.engines import conversion
from servers.pool.engines.memory import Memory
from servers.pool.engines.vllm import ENGINE_BYTES
from tools.errors import BadRequest
from tools.schema import JsonObject
from tools.settings import Settings


class Wish(NamedTuple):
    """What a person asked for; None leaves it to what is found."""

    source: str
    name: str | None = None
    domain: str | None = None
    kind: str | None = None
    upstream: str | None = None
    key_file: Path | None = None
    replace: bool = False


class Brought(NamedTuple):
    """An entry that is ready to be tried and written."""

    name: str
    fields: JsonObject
    kind: Kind


def look(settings: Settings, wish: Wish) -> Facts:
    """What is known of the source; blocking. Raises `tools.errors`."""
    kind = _kind(wish.kind)
    access = Access(settings.ollama_url, _key(wish.key_file), wish.upstream, kind or "chat")
    facts = inspect(find_source(wish.source), access)
    if kind and kind != facts.kind:
        facts = replace(facts, kind=kind, args=POOLING.get(kind, ()), abilities=None)
    return facts


def bring(settings: Settings, console: Console, wish: Wish, facts: Facts) -> Brought:
    """The proposed entry, its weights on this machine; blocking. Raises `tools.errors`."""
    name = model_id(wish.name or facts.name)
    fields = propose(facts, asyncio.run(_machine()), domain=wish.domain)
    if wish.key_file:
        fields["key_file"] = str(wish.key_file.expanduser().resolve())
    weights = settings.pool.weights.absolute()
    if file := fields.pop("gguf", None):
        with console.status(word("converting", settings.language, name=name)):
            python, size = settings.pool.vllm_python.absolute(), facts.weight_bytes or 0
            asyncio.run(conversion.convert(Path(file), weights / name, python=python, size=size))
        fields["weights"] = name
    if "hub" in fields:
        fields["weights"] = name
        _pull(console, ModelSpec(id=name, **fields), weights)
    # Unknown fields and values are found before the trial, and not by its pool.
    ModelSpec(id=name, **fields)
    return Brought(name, fields, facts.kind)


async def _machine() -> Machine:
    memory = Memory()
    await memory.refresh()
    return Machine(memory.free(), ENGINE_BYTES, bool(memory.gpus))


def _pull(console: Console, spec: ModelSpec, weights: Path) -> None:
    from servers.pool.catalog.download import pull  # noqa: PLC0415  (the hub's client is slow to load)

    with console.status(spec.hub or spec.id) as status:
        pull(
            spec,
            weights,
            progress=lambda file, done, total: status.update(f"{file or spec.id} {done}/{total}"),
        )


def _kind(text: str | None) -> Kind | None:
    if text is None:
        return None
    for kind in PATHS:
        if kind == text:
            return kind
    raise BadRequest(f"kind must be one of {', '.join(PATHS)}", param="kind", source="pool")


def _key(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as exc:
        raise BadRequest(f"{file} can not be read: {exc}", param="key_file", source="pool") from exc
