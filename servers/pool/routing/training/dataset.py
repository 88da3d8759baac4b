"""Reads what the router is fitted with: labelled prompts, recorded outcomes; what is held out is refused."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from servers.pool.catalog.catalog import load_catalog
from tools.text.words import fold

CHEAPER, STRONGEST = ("phi4_fast", "mistral_balanced"), "gptoss_complex"
"""The models of the recorded outcomes in which four answered."""
Row: TypeAlias = dict[str, Any]


class Labelled(NamedTuple):
    """A prompt and the domain that it deserves."""

    text: str
    want: str


class Outcome(NamedTuple):
    """A prompt, the share of cheaper models that failed it (0 to 1), what the strongest gained (-1 to 1), and
    the set of questions that it is from."""

    text: str
    failed: float
    gained: float
    source: str


def read_labelled(file: Path) -> list[Labelled]:
    """The labelled prompts of a file."""
    models = load_catalog().models
    return [
        Labelled(
            line.get("text") or line["prompt"],
            line["want"] if "want" in line else models[line["expect"]].domain,
        )
        for line in _lines(file)
    ]


def read_outcomes(file: Path) -> list[Outcome]:
    """The recorded outcomes of a file."""
    found: list[Outcome] = []
    for line in _lines(file):
        source = line.get("set", file.stem)
        if "weak" in line:
            gained = float(line["strong"]) - line["weak"]
            found.append(Outcome(line["prompt"], 1.0 - line["weak"], gained, source))
            continue
        said, right = line["predictions"], line["answer"]
        failed = sum(said.get(name) != right for name in CHEAPER) / len(CHEAPER)
        strong = float(said.get(STRONGEST) == right)
        found.append(Outcome(multiple_choice(line), failed, strong - (1 - failed), source))
    return found


def multiple_choice(line: Row) -> str:
    """A question with its options as models are asked it."""
    options = "\n".join(f"{chr(65 + place)}. {text}" for place, text in enumerate(line["options"]))
    return f"{line['question']}\n{options}\nAnswer:"


def refuse_held_out(items: Sequence[Labelled | Outcome], files: Sequence[Path]) -> None:
    """Raises SystemExit when any row stands in a held-out file."""
    seen = {fold(item.text).strip() for item in items}
    for file in files:
        for line in _lines(file):
            text = line.get("prompt") or line.get("question") or line.get("text") or ""
            if fold(text).strip() in seen:
                raise SystemExit(f"{file.name} is held out, and a row of it is among the training data")


def _lines(file: Path) -> Iterator[Row]:
    with file.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())
