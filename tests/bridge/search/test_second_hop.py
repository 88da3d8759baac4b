"""The second hop: what the best passage names is found, though none of its words was asked for."""

import pytest

from servers.bridge.graph.asked import Asked, Text
from servers.bridge.graph.expansion import expand, sharing
from servers.bridge.graph.subgraph import Subgraph
from servers.bridge.search.fusion import DEFAULT, rescore
from tools.text.words import stems

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


def asked(question: str, **texts: str) -> Asked:
    return Asked(stems(question, "en"), {key: Text("", text, "en") for key, text in texts.items()})


def test_the_name_beside_a_word_of_the_question_is_nearer_than_the_others() -> None:
    told = "Jump for Glory was directed by Raoul Walsh and much later remade for two actors, one Ann Harding."
    found = asked("Who is the spouse of the director of the film?", film=told)
    assert found.near("film", "raoul walsh") > 0.5 > found.near("film", "ann harding")
    assert found.near("film", "nobody") == found.near("unread", "raoul walsh") == 0


def test_what_one_passage_leaves_open_another_holds() -> None:
    found = asked(
        "Who is the spouse of the director?", film="Directed by R.", wife="His spouse.", set="A tree."
    )
    assert (found.left("film", "wife"), found.left("film", "set"), found.left("film", "unread")) == (1, 0, 0)


def test_of_two_that_share_a_thing_the_one_that_holds_what_is_asked_stands_first() -> None:
    around = Subgraph(things={"raoul walsh": {"film", "wife", "set"}, "rarer": {"film", "set"}})
    seeds = {"film": 0.9, "words": 0.4}
    question = asked(
        "Who is the spouse of the director?",
        film="Directed by Raoul Walsh.",
        wife="His spouse.",
        set="A tree.",
    )
    found = expand(seeds, around, {}, question)
    assert found.scores["wife"] > found.scores["set"]
    assert found.paths["wife"] == ("film", "raoul walsh", "names")
    assert sharing(around, ["film"], question).index("set") < sharing(around, ["film"], question).index(
        "wife"
    )
