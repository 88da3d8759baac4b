"""The backends that a catalogue may name, and what each must be told. Plain data, one line a backend.

What a backend does is a class of its own, listed in `engines/backends.py`.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


class BackendOptions(NamedTuple):
    """`needs`: fields of a model of which one must be set. `managed`: the pool starts a process for it."""

    needs: tuple[str, ...] = ()
    managed: bool = False


BACKENDS: Mapping[str, BackendOptions] = {
    "vllm": BackendOptions(("weights", "command"), managed=True),
    "openai": BackendOptions(("urls",)),
    "ollama": BackendOptions(("ollama",)),
    "extractive": BackendOptions(),
}


def _known(name: str) -> str:
    if name not in BACKENDS:
        *others, last = map(repr, BACKENDS)
        expected = f"{', '.join(others)} or {last}"
        raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
    return name


BackendName = Annotated[str, AfterValidator(_known)]
