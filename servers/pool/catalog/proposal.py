"""How a model that was looked at should stand in the catalogue: arguments, memory, domain. Pure.

It proposes; whoever adds the model may say otherwise, and one question tries it.
"""

import re
from typing import NamedTuple

from servers.pool.catalog.sources.facts import Facts
from tools.errors import BadRequest
from tools.schema import JsonObject

LEAST_CONTEXT = 2_048
"""Tokens below which a model is of no use to an agent, whatever the memory."""
LEAST_CACHE = 64 * 2**20
CACHE_MARGIN = 1.1
"""vLLM cuts the cache into blocks and wants one whole context in them."""
DOMAINS = (
    ("coding", re.compile(r"code|coder|codestral|devstral|starcoder|granite-.*-code", re.IGNORECASE)),
    ("expert", re.compile(r"\br1\b|reason|think|qwq|gpt-oss|magistral", re.IGNORECASE)),
)
"""Names that tell what a model is made for."""
LEVELS = {"general": 1, "coding": 2, "technical": 2, "expert": 3}
TECHNICAL, EXPERT = 5e9, 14e9
"""Parameters from which a model is taken for one of these domains."""
COST_UNIT = 4e9
"""Parameters of a model whose cost is 1."""


class Machine(NamedTuple):
    """Where the model will run: bytes that are free (None: nobody knows), what an engine takes besides
    weights and cache, whether there is a GPU."""

    free_bytes: int | None
    engine_bytes: int
    gpu: bool

    @property
    def context_tokens(self) -> int:
        """As much context as is proposed at most."""
        return 32_768 if self.gpu else 8_192

    @property
    def requests(self) -> int:
        """So many requests at once."""
        return 32 if self.gpu else 8


def model_id(name: str) -> str:
    """An id for a model of this name. Raises BadRequest where nothing of the name may stand in one."""
    wanted = re.sub(r"[^A-Za-z0-9._:-]+", "-", name).strip("-._:")[:128]
    if not wanted:
        raise BadRequest(f"{name!r} can be no model's id", param="name", source="pool")
    return wanted


def propose(facts: Facts, machine: Machine, *, domain: str | None = None) -> JsonObject:
    """The fields of a catalogue entry, in the order in which a person reads them.

    Raises BadRequest where the model cannot fit into what is free.
    """
    fields: JsonObject = {"backend": facts.backend, "description": describe(facts), **facts.place}
    if facts.kind == "chat":
        fields["domain"] = domain or _domain(facts)
        fields["level"] = LEVELS.get(fields["domain"], 1)
        fields["cost"] = max(1, round((facts.parameters or 0) / COST_UNIT))
    else:
        fields["kind"] = facts.kind
        fields["domain"] = domain or facts.kind
    if facts.abilities is not None:
        fields["abilities"] = sorted(facts.abilities)
    if facts.backend == "vllm":
        fields |= _engine(facts, machine)
    elif facts.context_tokens and facts.backend == "openai":
        fields["context_tokens"] = facts.context_tokens
    return fields


def describe(facts: Facts) -> str:
    """One line on a model: its name, architecture and size."""
    size = f"{facts.parameters / 1e9:.3g} B" if facts.parameters else None
    told = [part for part in (facts.architecture, size, facts.quantization) if part]
    return f"{facts.name} ({', '.join(told)})" if told else facts.name


def _domain(facts: Facts) -> str:
    for domain, pattern in DOMAINS:
        if pattern.search(facts.name):
            return domain
    size = facts.parameters or 0
    return "expert" if size >= EXPERT else "technical" if size >= TECHNICAL else "general"


def _engine(facts: Facts, machine: Machine) -> JsonObject:
    """Arguments and memory of an engine of ours: as much context as the model and the machine have."""
    if facts.kind == "transcription":
        return {"args": list(facts.args), "concurrency": machine.requests}
    context = min(facts.context_tokens or machine.context_tokens, machine.context_tokens)
    taken = facts.token_bytes or 0
    room = None
    if machine.free_bytes is not None:
        room = machine.free_bytes - (facts.weight_bytes or 0) - machine.engine_bytes
        while context // 2 >= LEAST_CONTEXT and taken * context * CACHE_MARGIN > room:
            context //= 2
        if taken * context * CACHE_MARGIN > room or room <= 0:
            needed = (facts.weight_bytes or 0) + machine.engine_bytes + int(taken * context * CACHE_MARGIN)
            raise BadRequest(
                f"{facts.name} needs {needed >> 20} MiB, and {machine.free_bytes >> 20} MiB are free",
                param="source",
                source="pool",
            )
    cache = int(taken * context * CACHE_MARGIN)
    wanted = max(LEAST_CACHE, cache * (4 if machine.gpu else 2))
    args = ["--max-model-len", str(context), "--max-num-seqs", str(machine.requests), *facts.args]
    return {
        "args": args,
        "kv_bytes": max(cache, wanted if room is None else min(wanted, room)),
        "concurrency": machine.requests,
    }
