"""The second hop: what the best passage names is found, though none of its words was asked for."""

import pytest

from servers.bridge.graph.expansion import expand
from servers.bridge.graph.subgraph import Subgraph
from servers.bridge.search.fusion import DEFAULT, rescore

pytestmark = pytest.mark.pure


def best(seeds: dict[str, float], around: Subgraph, matched: dict[str, float]) -> list[str]:
    mixed = rescore(seeds, expand(seeds, around, matched).scores, DEFAULT)
    return sorted(mixed, key=lambda key: (-mixed[key], key))


def test_whom_the_best_passage_names_stands_before_what_shares_words_with_the_question() -> None:
    named = {f"person{n}": f"e{n}" for n in range(6)}
    words = {f"words{n}": 0.55 for n in range(8)}
    around = Subgraph(
        mentions={("film", name) for name in named.values()},
        about={("film", "e-film"), *named.items()},
        degree=dict.fromkeys(named.values(), 2),
        names={"e-film": "an event", **{name: f"some {name}" for name in named.values()}},
    )
    seeds = {"film": 0.9, **words}
    assert set(best(seeds, around, {"e-film": 0.4})[:7]) == {"film", *named}


def test_who_is_named_stands_before_who_names() -> None:
    around = Subgraph(
        mentions={("film", "e1"), ("other", "e-film")},
        about={("film", "e-film"), ("director", "e1")},
        degree={"e1": 1, "e-film": 1},
        names={"e1": "some director", "e-film": "an event"},
    )
    order = best({"film": 0.9, "words": 0.3}, around, {"e-film": 0.4})
    assert order.index("director") < order.index("other")
