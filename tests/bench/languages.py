"""The same documents in two languages in one collection: does a question find its own?

    python -m tests.bench.languages --data FOLDER [--sets xquad-en xquad-es] [--step N]

The sets share ids. "Right" is a first hit that answers in either language, "own" the share of these that are
in the question's; nDCG counts the own language alone. In the divided collection each document is in one of
the two, so that every second question must cross over.
"""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from tests.bench.retrieval import Relevance, lines, ndcg, ranked, relevance
from tests.bench.running import ingested, running
from tools.clients.bridge import Bridge, open_bridge
from tools.schema import Document
from tools.settings import Settings


def documents(folders: Sequence[Path]) -> list[Document]:
    """Of all sets, in the same order in each; an id is its set's name and the set's own id."""
    return [
        Document(id=f"{folder.name}/{row['_id']}", title=row["title"], text=row["text"])
        for folder in folders
        for row in lines(folder / "corpus.jsonl")
    ]


def divided(whole: Sequence[Document], count: int) -> list[Document]:
    """Each document in one of `count` languages, in turn."""
    size = len(whole) // count
    return [whole[number % count * size + number] for number in range(size)]


def named(folder: Path, keys: Relevance, held: set[str]) -> Relevance:
    return {name: grade for key, grade in keys.items() if (name := f"{folder.name}/{key}") in held}


async def measure(bridge: Bridge, folders: Sequence[Path], step: int) -> None:
    whole = documents(folders)
    parts = divided(whole, len(folders))
    await ingested(bridge, whole, collection="both")
    await ingested(bridge, parts, collection="divided")
    every, some = {item.id for item in whole}, {item.id for item in parts}
    print(f"{'questions':<16}{'right':>8}{'own':>8}{'nDCG@10':>10}{'divided: own':>14}{'crossing':>10}")
    for folder in folders:
        judged = relevance(folder / "qrels" / "test.tsv")
        asked = [row for row in lines(folder / "queries.jsonl") if row["_id"] in judged][::step]
        right = own = 0
        gained: list[float] = []
        apart: dict[bool, list[float]] = {True: [], False: []}
        for row in asked:
            keys = judged[row["_id"]]
            found = await ranked(bridge, "both", row["text"], None)
            mine = named(folder, keys, every)
            anywhere = {key for other in folders for key in named(other, keys, every)}
            right += found[0] in anywhere
            own += found[0] in mine
            gained.append(ndcg(found, mine))
            there = {key: grade for other in folders for key, grade in named(other, keys, some).items()}
            at_home = all(key.startswith(f"{folder.name}/") for key in there)
            apart[at_home].append(ndcg(await ranked(bridge, "divided", row["text"], None), there))
        print(
            f"{folder.name:<16}{right / len(asked):>8.3f}{own / right:>8.3f}{mean(gained):>10.4f}"
            f"{mean(apart[True]):>14.4f}{mean(apart[False]):>10.4f}",
            flush=True,
        )


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


async def main(settings: Settings, folders: Sequence[Path], step: int) -> None:
    async with open_bridge(settings) as bridge:
        await measure(bridge, folders, step)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs=2, default=["xquad-en", "xquad-es"])
    parser.add_argument("--step", type=int, default=4, help="ask each N-th question")
    given = parser.parse_args()
    with running("bridge") as product:
        asyncio.run(main(product.settings, [given.data / name for name in given.sets], given.step))
