"""A GGUF file: what its head tells of the model. It is served as safetensors, to which it is converted."""

import re
from pathlib import Path

from servers.pool.catalog.sources.facts import Facts
from servers.pool.catalog.sources.gguf_header import Value, read_head
from servers.pool.catalog.sources.weights_folder import tool_args
from tools.errors import BadRequest

SERVED_BYTES = 2
"""Of each number once it is converted, to bfloat16."""
PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")
PROJECTORS = frozenset({"clip", "mmproj"})


def inspect_gguf(file: Path) -> Facts:
    """What the file holds. Raises BadRequest for a damaged one, a part of several, and a projector."""
    part = PART.search(file.name)
    if part and int(part[1]) > 1:
        raise _bad(f"{file} is one of {int(part[1])} parts: join them first with `llama-gguf-split --merge`")
    values, parameters = read_head(file)
    family = str(values.get("general.architecture", ""))
    if family in PROJECTORS:
        raise _bad(f"{file} is the projector of a model that sees, and no model of its own")
    found = values.get("tokenizer.chat_template")
    template = found if isinstance(found, str) else None
    quantization = values.get("general.file_type")
    notes = ["it is converted to safetensors in bfloat16: vLLM serves no GGUF on a CPU"]
    if template is None:
        notes.append("no chat template: it completes texts, and answers no conversation")
    args, abilities = tool_args(template, family)
    return Facts(
        name=file.stem,
        backend="vllm",
        place={"gguf": str(file.resolve())},
        architecture=family or None,
        parameters=parameters,
        weight_bytes=parameters * SERVED_BYTES,
        context_tokens=_whole(values, f"{family}.context_length"),
        token_bytes=_token_bytes(values, family),
        quantization=f"GGUF type {quantization}" if quantization is not None else None,
        template=template is not None,
        abilities=abilities,
        args=args,
        notes=tuple(notes),
    )


def _token_bytes(values: dict[str, Value], family: str) -> int | None:
    layers, heads = _whole(values, f"{family}.block_count"), _whole(values, f"{family}.attention.head_count")
    width = _whole(values, f"{family}.embedding_length")
    if not (layers and heads and width):
        return None
    kept = _whole(values, f"{family}.attention.head_count_kv") or heads
    return (
        2
        * layers
        * kept
        * (_whole(values, f"{family}.attention.key_length") or width // heads)
        * SERVED_BYTES
    )


def _whole(values: dict[str, Value], name: str) -> int | None:
    found = values.get(name)
    return found if isinstance(found, int) else None


def _bad(message: str) -> BadRequest:
    return BadRequest(message, param="source", source="pool")
