"""Consensus by replay: what recorded answers of four models give under each way of combining them.

`python tests/bench/consensus.py --data FOLDER [--picture FILE.svg]`; FOLDER/recorded-answers/*.jsonl holds
`question, options, answer, predictions{model: letter or null}`. A judge or a writer would have to be asked
anew, so best_of and synthesize have no replay. A model without an answer is replaced as in the product: the
expert by the strongest draft of the largest cluster.
"""

import argparse
import itertools
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[2]))

from servers.pool.catalog.consensus_options import ConsensusConfig
from servers.pool.consensus.similarity import clusters

Row = dict[str, Any]
CHEAP = ("phi4_fast", "mistral_balanced", "qwen_coder")
EXPERT = "gptoss_complex"
PAIR, RESERVE = ("phi4_fast", "qwen_coder"), "mistral_balanced"
KEPT, CALLS = 0.95, 0.60
AGREE = ConsensusConfig().agree


class Outcome(NamedTuple):
    """A way to combine: the share answered rightly, and the share of questions that cost an expert's call."""

    name: str
    accuracy: float
    calls: float
    right: list[bool]


def main() -> None:
    """Print accuracy, expert calls and the gain kept by each way of combining."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", type=Path)
    arguments.add_argument("--picture", type=Path)
    given = arguments.parse_args()
    if given.data is None:
        print("recorded answers are needed: --data FOLDER")
        return
    files = sorted((given.data / "recorded-answers").glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    outcomes = list(replay(rows))
    best = max(
        (outcome for outcome in outcomes if outcome.name in CHEAP), key=lambda outcome: outcome.accuracy
    )
    expert = next(outcome for outcome in outcomes if outcome.name == EXPERT)
    gain = expert.accuracy - best.accuracy
    print(f"{len(rows)} questions; the expert's gain over {best.name} is {gain:.1%}\n")
    print(f"{'':44}{'accuracy':>9}{'expert calls':>14}{'gain kept':>11}")
    for outcome in outcomes:
        kept = (outcome.accuracy - best.accuracy) / gain
        mark = "  <- meets 95 % at 60 %" if kept >= KEPT and outcome.calls <= CALLS else ""
        print(f"{outcome.name:44}{outcome.accuracy:>9.1%}{outcome.calls:>14.1%}{kept:>11.1%}{mark}")
    bootstrap(outcomes, best, expert)
    if given.picture:
        given.picture.write_text(plot(outcomes, best, expert), encoding="utf-8")


def replay(rows: Sequence[Row]) -> Iterator[Outcome]:
    """Each model alone, votes, and cascades over every set of cheap members."""
    for name in (*CHEAP, EXPERT):
        yield _outcome(name, rows, lambda row, name=name: (row["predictions"][name], name == EXPERT))
    yield _outcome("vote of the three", rows, lambda row: (_vote(_drafts(row, CHEAP)), False))
    yield _outcome("vote of all four", rows, lambda row: (_vote(_drafts(row, (*CHEAP, EXPERT))), True))
    for members in itertools.chain.from_iterable(itertools.combinations(CHEAP, size) for size in (2, 3)):
        label = f"cascade {'+'.join(name.split('_')[0] for name in members)}"
        yield _outcome(f"{label}, two agree", rows, lambda row, m=members: _cascade(row, m, 2))
        if len(members) > 2:
            yield _outcome(f"{label}, all agree", rows, lambda row, m=members: _cascade(row, m, 3))
    yield _outcome("cascade phi4+qwen, mistral in reserve", rows, _with_reserve)


def _outcome(name: str, rows: Sequence[Row], way: Any) -> Outcome:
    found = [way(row) for row in rows]
    right = [letter == row["answer"] for (letter, _), row in zip(found, rows, strict=True)]
    return Outcome(name, sum(right) / len(rows), sum(called for _, called in found) / len(rows), right)


def _drafts(row: Row, members: Sequence[str]) -> dict[str, str]:
    letters = {name: row["predictions"].get(name) for name in members}
    return {name: f"The answer is ({letter})" for name, letter in letters.items() if letter}


def _letter(text: str) -> str:
    return text[-2]


def _vote(drafts: Mapping[str, str]) -> str | None:
    return _letter(drafts[_representative(drafts)]) if drafts else None


def _representative(drafts: Mapping[str, str]) -> str:
    """The strongest of the largest clusters; the members stand in the order of their strength."""
    groups = clusters(drafts, AGREE)
    able = [name for group in groups if len(group) == len(groups[0]) for name in group]
    return max(able, key=(*CHEAP, EXPERT).index)


def _cascade(row: Row, members: Sequence[str], quorum: int) -> tuple[str | None, bool]:
    drafts = _drafts(row, members)
    groups = clusters(drafts, AGREE)
    if groups and len(groups[0]) >= quorum:
        return _letter(drafts[groups[0][0]]), False
    return row["predictions"][EXPERT] or _vote(drafts), True


def _with_reserve(row: Row) -> tuple[str | None, bool]:
    """The built-in catalogue's cascade: when only one of the pair answers, the reserve is asked too."""
    one_alone = len(_drafts(row, PAIR)) == 1
    return _cascade(row, (*PAIR, RESERVE) if one_alone else PAIR, 2)


def bootstrap(outcomes: Sequence[Outcome], best: Outcome, expert: Outcome) -> None:
    """Print how certain the kept gain is: a bootstrap over the questions (300 resamples)."""
    chosen = next(outcome for outcome in outcomes if "reserve" in outcome.name)
    source, size = random.Random(6), len(best.right)
    kept: list[float] = []
    for _ in range(300):
        places = source.choices(range(size), k=size)
        low, high, ours = (sum(map(outcome.right.__getitem__, places)) for outcome in (best, expert, chosen))
        kept.append((ours - low) / (high - low))
    kept.sort()
    sure = sum(value >= KEPT for value in kept) / len(kept)
    span = f"90 % interval {kept[15]:.1%} to {kept[-16]:.1%}"
    print(f"\n{chosen.name}: gain kept, {span}; at least 95 % in {sure:.0%} of resamples")


def plot(outcomes: Sequence[Outcome], best: Outcome, expert: Outcome) -> str:
    """Quality against the share of expert calls, as SVG."""
    left, top, width, height = 70, 30, 560, 330
    reached = [outcome.accuracy for outcome in outcomes]
    low, high = min(reached) - 0.02, max(reached) + 0.02

    def at(calls: float, accuracy: float) -> tuple[float, float]:
        return left + calls * width, top + height * (1 - (accuracy - low) / (high - low))

    need = best.accuracy + KEPT * (expert.accuracy - best.accuracy)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 430" font-family="sans-serif" '
        'font-size="12">',
        '<rect width="700" height="430" fill="#fff"/>',
        f'<rect x="{left}" y="{top}" width="{CALLS * width}" height="{at(0, need)[1] - top:.1f}" '
        'fill="#e3f3e6"/>',
        f'<text x="{left + 6}" y="{top + 16}" fill="#2c6e3a">95 % of the gain at 60 % of the calls</text>',
    ]
    for tick in range(0, 101, 20):
        x, _ = at(tick / 100, low)
        parts.append(
            f'<text x="{x:.1f}" y="{top + height + 18}" text-anchor="middle" fill="#444">{tick} %</text>'
        )
    for tick in range(round(low * 100 + 0.5), round(high * 100), 5):
        _, y = at(0, tick / 100)
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#444">{tick} %</text>')
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(best.calls, best.accuracy), at(1, expert.accuracy)))
    parts.append(f'<polyline points="{line}" fill="none" stroke="#999" stroke-dasharray="5 4"/>')
    for number, outcome in enumerate(outcomes, 1):
        parts += _dot(number, outcome, *at(outcome.calls, outcome.accuracy))
    axis = "share of questions that cost a call of the expert (dashed: experts called at random)"
    parts.append(f'<text x="{left + width / 2}" y="{top + height + 42}" text-anchor="middle">{axis}</text>')
    parts.append(
        f'<text x="20" y="{top + height / 2}" transform="rotate(-90 20 {top + height / 2})">right</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def _dot(number: int, outcome: Outcome, x: float, y: float) -> list[str]:
    """A numbered outcome, and its line of the legend."""
    family = "cascade" if outcome.name.startswith("cascade") else "vote" if "vote" in outcome.name else "one"
    colour = {"cascade": "#1f6feb", "vote": "#b35900", "one": "#555"}[family]
    line = f"{number}  {outcome.name}: {outcome.accuracy:.1%}, {outcome.calls:.0%} expert"
    side = -16 if number % 2 else 8
    return [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>',
        f'<text x="{x + side:.1f}" y="{y + (14 if number % 2 else 4):.1f}" fill="{colour}">{number}</text>',
        f'<text x="272" y="{167 + 15 * number}" fill="{colour}">{line}</text>',
    ]


if __name__ == "__main__":
    main()
