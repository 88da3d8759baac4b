"""Right, false and refused answers of the model without weights behind the product's own decision.

    python -m tests.bench.answers --data FOLDER [--cache FOLDER] [--step N] [--sets NAME …]

FOLDER holds `xquad-es`, `xquad-en` and `xquad-es2en` in BEIR's format. Each question is asked three times:
with its passage in the collection, without it, and without its whole article. The passages come from the
served bridge, once: `--cache` keeps them. What is left out is left out of what was found.
The weights are learnt from every second article (`parts/answerability_fit.py`): the others are reported.
"""

import argparse
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.answerability.decision import ANSWER_FROM, judge
from servers.pool.extractive.answer import extract
from tests.bench.parts.candidates import Asked, Condition, found_candidates, found_under, in_first_half
from tools.passages import Passage
from tools.schema import Hit, Language
from tools.text.words import fold

SETS: dict[str, Language] = {"xquad-es": "es", "xquad-en": "en", "xquad-es2en": "es"}
THRESHOLDS = (0.0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class Outcome:
    """What one question came to, were it answered: `support` decides whether it is.

    `answered` says that the extractive model itself refuses nothing, `right` that the gold answer is there.
    """

    condition: Condition
    support: float
    answered: bool
    right: bool
    first_right: bool


def outcome(asked: Asked, condition: Condition, language: Language) -> Outcome:
    hits = found_under(asked, condition)
    judged = judge(asked.text, hits, language=language)
    said = extract(asked.text, passages(hits), language)
    mark, text = re.search(r"\[(\d+)\]", said), fold(said)
    return Outcome(
        condition,
        judged.support,
        answered=mark is not None,
        right=any(fold(one) in text for one in asked.answers),
        first_right=mark is not None and hits[int(mark[1]) - 1].document_id in asked.gold,
    )


def passages(hits: Sequence[Hit]) -> list[Passage]:
    return [Passage(n, hit.title, hit.text, hit.metadata.get("heading", "")) for n, hit in enumerate(hits, 1)]


def shares(outcomes: Iterable[Outcome], threshold: float) -> dict[str, float]:
    """Right, first citation right and refused of the answerable; false answers of the others."""
    by: dict[Condition, list[Outcome]] = {"present": [], "passage": [], "article": []}
    for one in outcomes:
        by[one.condition].append(one)
    shown = {name: [one.answered and one.support >= threshold for one in found] for name, found in by.items()}
    present, count = by["present"], len(by["present"])
    return {
        "right": sum(ok and one.right for ok, one in zip(shown["present"], present, strict=True)) / count,
        "first": sum(ok and one.first_right for ok, one in zip(shown["present"], present, strict=True))
        / count,
        "refused": 1 - sum(shown["present"]) / count,
        "false without the article": sum(shown["article"]) / count,
        "false without the passage": sum(shown["passage"]) / count,
    }


def report(name: str, outcomes: Sequence[Outcome]) -> None:
    columns = list(shares(outcomes, 0.0))
    print(
        f"\n{name}: {len(outcomes) // 3} questions\n{'from':>10}" + "".join(f"{one:>28}" for one in columns)
    )
    for threshold in THRESHOLDS:
        found = shares(outcomes, threshold)
        chosen = "*" if threshold == ANSWER_FROM else " "
        drawn = "#" * round(20 * found["right"]) + "." * round(20 * found["false without the article"])
        cells = "".join(f"{found[one]:>28.3f}" for one in columns)
        print(f"{chosen}{threshold:>9.2f}{cells}  {drawn}", flush=True)


def main(data: Path, cache: Path, step: int, names: Sequence[str]) -> None:
    for name, asked in found_candidates(data, names, cache).items():
        held = [one for one in asked[::step] if not in_first_half(one)]
        conditions: tuple[Condition, ...] = ("present", "passage", "article")
        report(name, [outcome(one, condition, SETS[name]) for one in held for condition in conditions])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=list(SETS))
    given = parser.parse_args()
    if given.data is None or not (given.data / "xquad-es").is_dir():
        print("needs --data with xquad-es, xquad-en and xquad-es2en: nothing measured")
    else:
        with tempfile.TemporaryDirectory() as unkept:
            main(given.data, given.cache or Path(unkept), given.step, given.sets)
