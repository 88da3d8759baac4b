"""Fusion and PageRank: pure numbers with the properties that search relies on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.bridge.graph.expansion import expand
from servers.bridge.graph.pagerank import personalized_pagerank
from servers.bridge.graph.subgraph import Subgraph
from servers.bridge.search.fusion import (
    DEFAULT,
    confidence,
    convex_combination,
    dense_weight,
    diversify,
    rescore,
)

pytestmark = pytest.mark.pure

scores = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.001, 50))


@given(scores, scores)
def test_fused_scores_stay_in_the_unit_interval(dense: dict, text: dict) -> None:
    shares = dict.fromkeys([*dense, *text], 0.4)
    assert all(0 <= value <= 1 for value in convex_combination(dense, text, shares).values())


@given(scores)
def test_the_sign_of_bm25_does_not_matter(text: dict) -> None:
    shares = dict.fromkeys(text, 0.0)
    assert convex_combination({}, text, shares) == convex_combination(
        {}, {key: -value for key, value in text.items()}, shares
    )


def test_the_dense_weight_follows_the_languages() -> None:
    english = ("en",)
    assert (
        dense_weight("es", "es", english)
        < dense_weight("es", "en", english)
        < dense_weight("en", "en", english)
    )
    assert dense_weight("en", "en", english) < dense_weight("en", "es", english)
    assert dense_weight("es", "es", ("en", "es")) == dense_weight("en", "en", english)


@given(scores)
def test_without_links_the_graph_changes_no_order(base: dict) -> None:
    seeds = {key: value / 50 for key, value in base.items()}
    expansion = expand(seeds, Subgraph(), {})
    mixed = rescore(seeds, expansion.scores, DEFAULT)
    assert sorted(seeds, key=lambda k: (-seeds[k], k)) == sorted(mixed, key=lambda k: (-mixed[k], k))


def test_a_linked_passage_rises_and_its_path_is_told() -> None:
    seeds = {"leland": 1.0, "noise1": 0.5, "noise2": 0.5, "film": 0.2}
    around = Subgraph(
        mentions={("leland", "e1")},
        about={("film", "e1")},
        degree={"e1": 1},
        names={"e1": "maximum overdriv"},
    )
    expansion = expand(seeds, around, {})
    mixed = rescore(seeds, expansion.scores, DEFAULT)
    assert sorted(mixed, key=lambda key: -mixed[key])[:2] == ["leland", "film"]
    assert expansion.paths["film"] == ("leland", "maximum overdriv")


def test_a_hub_lifts_nobody_much() -> None:
    seeds = {"a": 1.0, "b": 0.6, "hub": 0.1}
    around = Subgraph(mentions={("a", "e1")}, about={("hub", "e1")}, degree={"e1": 5_000}, names={"e1": "x"})
    mixed = rescore(seeds, expand(seeds, around, {}).scores, DEFAULT)
    assert mixed["a"] > mixed["b"] > mixed["hub"]


@given(st.dictionaries(st.sampled_from("abcd"), st.dictionaries(st.sampled_from("abcd"), st.floats(0.1, 5))))
def test_a_walk_ends_with_shares_whose_top_is_one(links: dict) -> None:
    found = personalized_pagerank(links, {"a": 1.0})
    assert max(found.values()) == 1.0
    assert all(0 <= value <= 1 for value in found.values())


def test_confidence_needs_one_good_sign() -> None:
    assert confidence(0.8, 0.0) == 1.0
    assert confidence(None, 1.0) > 0.9
    assert confidence(0.1, 0.0) < 0.05


def test_pieces_of_one_text_make_room_for_other_documents() -> None:
    sections = {"a1": ("a", ""), "a2": ("a", ""), "a3": ("a", "Other"), "b": ("b", "")}
    found = diversify({"a1": 0.9, "a2": 0.8, "a3": 0.8, "b": 0.7}, sections)
    assert sorted(found, key=lambda key: -found[key]) == ["a1", "a3", "b", "a2"]


@given(scores)
def test_one_passage_a_document_keeps_every_score(found: dict) -> None:
    assert diversify(found, {key: (key, "") for key in found}) == found
