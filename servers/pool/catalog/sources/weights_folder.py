"""A folder of weights as the hub lays it out: what its small files and the heads of its tensors tell.

Nothing of the model is loaded and none of its code is run. `describe` is pure and serves a listing of the hub
as well.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from servers.pool.catalog.kinds import Ability, Kind
from servers.pool.catalog.sources.facts import Facts
from tools.errors import BadRequest
from tools.schema import JsonObject

HEAD_BYTES = 100 * 2**20
"""The longest head of a safetensors file that is read, as its authors bound it."""
CACHE_VALUE_BYTES = 2
TOOL_PARSERS = (
    ("<|channel|>", "openai"),
    ("[TOOL_CALLS]", "mistral"),
    ("<|python_tag|>", "llama3_json"),
    ("<|tool|>", "phi4_mini_json"),
    ("<function=", "qwen3_coder"),
    ("<tool_call>", "hermes"),
)
"""A mark in a chat template, and vLLM's parser of the calls that such a model writes; the first that fits."""
POOLING: Mapping[Kind, tuple[str, ...]] = {
    "embedding": ("--runner", "pooling", "--convert", "embed"),
    "rerank": ("--runner", "pooling"),
}
"""vLLM's arguments for models that write no text."""
PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def inspect_folder(folder: Path) -> Facts:
    """What the folder holds. Raises BadRequest that says what is missing and how to mend it."""
    names = {file.name for file in folder.iterdir()}
    if "adapter_config.json" in names:
        base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
        raise _bad(f"{folder} is a LoRA adapter of {base}: add it with --base and its base's name")
    check_files(str(folder), names)
    tensors = [read_tensors(file) for file in sorted(folder.glob("*.safetensors"))]
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    small = {
        name: read_json(folder / name) for name in names if name in ("config.json", "tokenizer_config.json")
    }
    jinja = folder / "chat_template.jinja"
    template = jinja.read_text(encoding="utf-8") if jinja.is_file() else chat_template(small)
    facts = describe(folder.resolve().name, small["config.json"], template, names)
    parameters = sum(prod(shape) for found in tensors for shape in found)
    place = {"weights": str(folder.resolve())}
    return replace(facts, place=place, parameters=parameters, weight_bytes=size)


def check_files(where: str, names: set[str]) -> None:
    """Whether these files are a model that vLLM serves without pickles. Raises BadRequest."""
    if "model_index.json" in names:
        raise _bad(
            f"{where} makes pictures (a diffusers pipeline): this pool serves text, vectors and speech"
        )
    if "config.json" not in names:
        raise _bad(f"{where} has no config.json: name the folder that holds the model's own files")
    if not any(name.endswith(".safetensors") for name in names):
        pickled = any(name.endswith(PICKLES) for name in names)
        how = (
            "its weights are pickles, which can run code: convert them to safetensors"
            if pickled
            else (
                "it has a .gguf file: add that file"
                if any(name.endswith(".gguf") for name in names)
                else "no weights"
            )
        )
        raise _bad(f"{where} has no safetensors: {how}")


def describe(name: str, config: JsonObject, template: str | None, names: set[str]) -> Facts:
    """What a model's configuration, chat template and file names tell."""
    text = config.get("text_config") or config.get("llm_config") or config
    architecture = next(iter(config.get("architectures") or ()), None)
    kind = _kind(str(architecture or ""), names)
    quantization: JsonObject = config.get("quantization_config") or text.get("quantization_config") or {}
    notes: list[str] = []
    if kind == "chat" and template is None:
        notes.append("no chat template: it completes texts, and answers no conversation")
    if config.get("auto_map"):
        notes.append("it brings code of its own, which is not run: vLLM must know the architecture")
    args, able = tool_args(template, str(config.get("model_type")))
    return Facts(
        name=name,
        backend="vllm",
        place={},
        kind=kind,
        architecture=architecture,
        context_tokens=_whole(text, "max_position_embeddings", "n_positions", "max_source_positions"),
        token_bytes=_token_bytes(text),
        quantization=quantization.get("quant_method"),
        template=template is not None,
        abilities=able | _modalities(config) if kind == "chat" else None,
        args=args if kind == "chat" else POOLING.get(kind, ()),
        notes=tuple(notes),
    )


def tool_args(template: str | None, family: str) -> tuple[tuple[str, ...], frozenset[Ability]]:
    """vLLM's arguments for the tool calls and the thinking that a chat template tells of, and what a model
    can do with them; a schema is vLLM's own to hold."""
    template = template or ""
    parser = (
        next((name for mark, name in TOOL_PARSERS if mark in template), None) if "tools" in template else None
    )
    args: tuple[str, ...] = ("--enable-auto-tool-choice", "--tool-call-parser", parser) if parser else ()
    able: set[Ability] = {"schema", "tools"} if parser else {"schema"}
    if "<think>" in template:
        args += ("--reasoning-parser", "qwen3" if family.startswith("qwen3") else "deepseek_r1")
    if "<think>" in template or "<|channel|>" in template:
        able.add("thinking")
    return args, frozenset(able)


def chat_template(small: Mapping[str, JsonObject]) -> str | None:
    """The chat template of a tokenizer's configuration; of several the one called `default`."""
    told = small.get("tokenizer_config.json", {}).get("chat_template")
    if isinstance(told, list):
        named = {one["name"]: one["template"] for one in told if isinstance(one, dict)}
        return named.get("default") or next(iter(named.values()), None)
    return told if isinstance(told, str) else None


def read_tensors(file: Path) -> list[list[int]]:
    """The shapes of a safetensors file's tensors, from its head. Raises BadRequest for another file."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > HEAD_BYTES:
                raise ValueError("its head is too long")
            head: JsonObject = json.loads(opened.read(length))
        end = max((one["data_offsets"][1] for name, one in head.items() if name != "__metadata__"), default=0)
        if file.stat().st_size < 8 + length + end:
            raise ValueError("it was cut off")
        return [one["shape"] for name, one in head.items() if name != "__metadata__"]
    except (OSError, ValueError, struct.error, KeyError, TypeError) as exc:
        raise _bad(f"{file} is not a whole safetensors file: {exc}") from exc


def read_json(file: Path) -> JsonObject:
    """The object in a file. Raises BadRequest."""
    try:
        told: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise _bad(f"{file} can not be read: {exc}") from exc
    if not isinstance(told, dict):
        raise _bad(f"{file} holds no JSON object")
    return told


def _kind(architecture: str, names: set[str]) -> Kind:
    if architecture.startswith("Whisper"):
        return "transcription"
    if architecture.endswith("ForSequenceClassification"):
        return "rerank"
    if "modules.json" in names or architecture.endswith(("Model", "ForMaskedLM")):
        return "embedding"
    return "chat"


def _modalities(config: JsonObject) -> frozenset[Ability]:
    told: dict[Ability, str] = {"images": "vision_config", "audio": "audio_config"}
    return frozenset(name for name, table in told.items() if table in config)


def _token_bytes(text: JsonObject) -> int | None:
    layers, heads = (
        _whole(text, "num_hidden_layers", "n_layer"),
        _whole(text, "num_attention_heads", "n_head"),
    )
    width = _whole(text, "hidden_size", "n_embd")
    if not (layers and heads and width):
        return None
    head = _whole(text, "head_dim") or width // heads
    return 2 * layers * (_whole(text, "num_key_value_heads") or heads) * head * CACHE_VALUE_BYTES


def _whole(table: JsonObject, *names: str) -> int | None:
    return next((table[name] for name in names if isinstance(table.get(name), int)), None)


def _bad(message: str) -> BadRequest:
    return BadRequest(message, param="source", source="pool")
