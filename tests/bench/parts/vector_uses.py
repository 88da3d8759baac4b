"""What vectors were tried for beside search, and are not used for: names across languages, texts that are
nearly the same. `CONTRIBUTING.md` says what came of it.

    python -m tests.bench.parts.vector_uses --data FOLDER [--embedder e5|minilm|ensemble] [--step N]

Names: those of Spanish questions (`xquad-es`) that no word links to the English passages; right is the name
that the same question has in English. Texts: passages after small edits, against the nearest other passage.
"""

import argparse
import asyncio
import random
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from servers.bridge.embedding.e5 import E5
from servers.bridge.embedding.embedder import Embedder
from servers.bridge.embedding.ensemble import Ensemble
from servers.bridge.embedding.minilm import MiniLM
from servers.bridge.text.cross_lingual import translated_stems
from servers.bridge.text.entities import NAME, normal
from tests.bench.retrieval import lines, relevance
from tools.text.stopwords import ENGLISH, SPANISH
from tools.text.words import stems

Vectors = NDArray[np.float32]
PART = 64
SHINGLE = 4
CUTS = (0.86, 0.88, 0.9, 0.92, 0.94, 0.96)
SETS = ("xquad-es", "xquad-en", "cranfield")


async def vectors(model: Embedder, texts: Sequence[str]) -> Vectors:
    parts = [await model.embed(texts[at : at + PART], "passage") for at in range(0, len(texts), PART)]
    return np.concatenate(parts)


def names(text: str) -> dict[str, str]:
    """How each name of a text is written, by its normal form; a question's first word is none."""
    found = {normal(match[0]): match[0] for match in NAME.finditer(text)}
    return {
        key: name
        for key, name in found.items()
        if len(key) > 2 and key not in ENGLISH | SPANISH and not re.match(rf"[¿\s]*{re.escape(name)}", text)
    }


def linked_by_words(name: str, known: Iterable[frozenset[str]]) -> bool:
    """Whether the words of a Spanish name, or what glossary and cognates make of them, are an English one."""
    found = set(translated_stems(name, "es", "en"))
    return any(wanted <= found for wanted in known)


async def measure_names(model: Embedder, data: Path) -> None:
    rows = {row["_id"]: row for row in lines(data / "xquad-en" / "corpus.jsonl")}
    english = {row["_id"]: row["text"] for row in lines(data / "xquad-en" / "queries.jsonl")}
    judged = relevance(data / "xquad-en" / "qrels" / "test.tsv")
    titles = {row["title"]: row["title"].replace("_", " ") for row in rows.values()}
    held = {key: name for row in rows.values() for key, name in names(row["text"]).items()}
    stemmed = {frozenset(stems(name, "en")) for name in held.values()} - {frozenset()}
    asked: list[tuple[str, str, str]] = []  # the name, its translation or nothing, the title that answers
    spelt = 0
    for row in lines(data / "xquad-es" / "queries.jsonl"):
        own, other = names(row["text"]), names(english[row["_id"]])
        left, right = own.keys() - other.keys(), sorted(other.keys() - own.keys())
        for key in left:
            if linked_by_words(own[key], stemmed):
                spelt += 1
            elif judged.get(row["_id"]):
                translation = right[0] if len(left) == len(right) == 1 else ""
                asked.append((own[key], translation, rows[next(iter(judged[row["_id"]]))]["title"]))
    print(f"{len(asked)} names of Spanish questions that no word links, beside {spelt} that words link")
    wanted = await vectors(model, [name for name, _, _ in asked])
    pairs = [number for number, (_, translation, _) in enumerate(asked) if translation in held]
    to_names = nearest(wanted, await vectors(model, list(held.values())))
    keys = list(held)
    right = [same(keys[to_names[0][number]], asked[number][1]) for number in pairs]
    print_cuts(f"to {len(held)} names, {len(pairs)} with one translation", right, to_names[1][pairs])
    to_titles = nearest(wanted, await vectors(model, list(titles.values())))
    order = list(titles)
    right = [order[place] == title for place, (_, _, title) in zip(to_titles[0], asked, strict=True)]
    print_cuts(f"to {len(titles)} titles", right, to_titles[1])


def nearest(one: Vectors, other: Vectors) -> tuple[NDArray[np.int64], Vectors]:
    """Of each row the place and the cosine of the nearest of `other`."""
    cosines = one @ other.T
    places = cosines.argmax(axis=1)
    return places, cosines[np.arange(len(one)), places]


def same(one: str, other: str) -> bool:
    """Whether a name is the other or a part of it."""
    return set(one.split()) <= set(other.split()) or set(other.split()) <= set(one.split())


def print_cuts(name: str, right: Sequence[bool], cosines: Vectors) -> None:
    print(f"{name}: right and false links by the cosine from which two are linked")
    for cut in CUTS:
        linked = [good for good, cosine in zip(right, cosines, strict=True) if cosine >= cut]
        print(f"  {cut:.2f}: {sum(linked)} right, {len(linked) - sum(linked)} false")


def edits(chance: random.Random, others: Sequence[str]) -> Mapping[str, Callable[[str], str]]:
    """What is done to a passage, by its name. The last three change what it says."""

    def misspelt(text: str) -> str:
        found = text.split(" ")
        for place in chance.sample([at for at, word in enumerate(found) if len(word) > 4] or [0], 1):
            word = found[place]
            found[place] = word[:1] + word[2:3] + word[1:2] + word[3:]
        return " ".join(found)

    def shorter(text: str) -> str:
        found = re.split(r"(?<=[.;]) ", text)
        return " ".join(found[:-1]) if len(found) > 1 else text

    def longer(text: str) -> str:
        return f"{text} {re.split(r'(?<=[.;]) ', chance.choice(others))[0]}"

    def renumbered(text: str) -> str:
        return re.sub(r"\d", lambda match: str((int(match[0]) + 3) % 10), text, count=1)

    def negated(text: str) -> str:
        english = re.sub(r"\b(is|was|are|were)\b", r"\1 not", text, count=1)
        return english if english != text else re.sub(r"\b(es|era|fue|son)\b", r"no \1", text, count=1)

    def renamed(text: str) -> str:
        found = [name for name in names(text).values() if name.isalpha()]
        return text.replace(found[0], chance.choice(["Robledo", "Ashford", "Marina"])) if found else text

    return {
        "two letters exchanged": misspelt,
        "the last sentence left out": shorter,
        "a sentence of another one added": longer,
        "a number changed": renumbered,
        "a sentence negated": negated,
        "a name changed": renamed,
    }


def shingles(text: str) -> set[tuple[str, ...]]:
    found = text.lower().split()
    return {tuple(found[at : at + SHINGLE]) for at in range(max(1, len(found) - SHINGLE + 1))}


def overlap(one: str, other: str) -> float:
    """Jaccard's, of runs of `SHINGLE` words."""
    mine, theirs = shingles(one), shingles(other)
    return len(mine & theirs) / len(mine | theirs)


async def measure_texts(model: Embedder, folder: Path, step: int) -> None:
    texts = [row["text"] for row in lines(folder / "corpus.jsonl") if len(row["text"]) > 200]
    whole = await vectors(model, texts)
    chosen = list(range(0, len(texts), step))
    cosines = whole[chosen] @ whole.T
    cosines[np.arange(len(chosen)), chosen] = -1
    others = cosines.argmax(axis=1)
    apart = cosines.max(axis=1)
    cut = float(np.quantile(apart, 0.99))
    words = [overlap(texts[one], texts[other]) for one, other in zip(chosen, others, strict=True)]
    print(f"{folder.name}: {len(chosen)} passages; 1 % have another one within {cut:.4f}")
    print_row("the nearest other", apart, np.array(words), cut)
    for name, edit in edits(random.Random(5), texts).items():
        pairs = [(place, changed) for place in chosen if (changed := edit(texts[place])) != texts[place]]
        made = await vectors(model, [changed for _, changed in pairs])
        near = (made * whole[[place for place, _ in pairs]]).sum(axis=1)
        kept = np.array([overlap(texts[place], changed) for place, changed in pairs])
        print_row(name, near, kept, cut)


def print_row(name: str, cosines: Vectors, words: NDArray[np.float64], cut: float) -> None:
    low, middle, high = np.quantile(cosines, [0.05, 0.5, 0.95])
    few, some, most = np.quantile(words, [0.05, 0.5, 0.95])
    print(
        f"  {name:<34}{len(cosines):>5} cosine {low:.3f} {middle:.3f} {high:.3f}, "
        f"{(cosines > cut).mean():>4.0%} above; words {few:.2f} {some:.2f} {most:.2f}",
        flush=True,
    )


async def main(data: Path, name: str, step: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        e5, minilm = E5(Path(folder)), MiniLM(Path(folder))
        known: dict[str, Embedder] = {"e5": e5, "minilm": minilm, "ensemble": Ensemble(e5, minilm)}
        await measure_names(known[name], data)
        for held in SETS:
            await measure_texts(known[name], data / held, step)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--embedder", choices=["e5", "minilm", "ensemble"], default="ensemble")
    parser.add_argument("--step", type=int, default=8, help="edit each N-th passage")
    given = parser.parse_args()
    asyncio.run(main(given.data, given.embedder, given.step))
