"""Fusion and PageRank: pure numbers with the properties that search relies on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.bridge.graph.expansion import expand
from servers.bridge.graph.pagerank import personalized_pagerank
from servers.bridge.graph.subgraph import Subgraph
from servers.bridge.search.candidates import Candidates, PassageRow
from servers.bridge.search.fusion import (
    DEFAULT,
    confidence,
    convex_combination,
    cosines,
    dense_weight,
    diversify,
    rescore,
    weights_of,
)
from servers.bridge.search.query import analyse_query

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


def test_with_e5_the_dense_score_leads_and_what_any_two_texts_share_counts_nothing() -> None:
    weights = weights_of("multilingual-e5-small", "es")
    assert dense_weight("es", "es", ("en", "es"), weights) > 0.5
    found = convex_combination({"near": 0.9, "far": 0.7}, {"far": 1.0}, {"near": 0.7, "far": 0.7}, weights)
    assert found["near"] == pytest.approx(0.7)
    assert found["far"] == pytest.approx(0.3)
    assert weights_of("any other", "es") == DEFAULT


def test_with_e5_a_passage_of_the_other_language_is_read_as_near_as_its_translation_would_be() -> None:
    weights = weights_of("multilingual-e5-small", "es")
    row = PassageRow(document_id="", title="", source="", heading="", language="es", text="", metadata={})
    found = Candidates(
        scores={"dense": {"own": 0.84, "other": 0.82}}, rows={"own": row, "other": {**row, "language": "en"}}
    )
    query = analyse_query(
        "¿Dónde nace el río Ebro?", languages=["es", "en"], filter="", limit=9, retrievers=None
    )
    near = cosines(found, query, weights)
    assert near is not None and near["other"] > near["own"] == 0.84
    assert cosines(found, query, DEFAULT) == found.scores["dense"]
    assert cosines(Candidates(), query, weights) is None


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
    assert expansion.paths["film"] == ("leland", "maximum overdriv", "mentions")


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


def test_with_the_ensemble_a_spanish_question_is_fused_as_with_e5_alone() -> None:
    ensemble = "multilingual-e5-small+minilm-l6-v2"
    alone, both = weights_of("multilingual-e5-small", "es"), weights_of(ensemble, "es")
    near, share = {"one": 0.86, "two": 0.81}, {"one": 0.7, "two": 0.7, "three": 0.7}
    text = {"two": 9.0, "three": 4.0}
    less = {key: value * 0.8**0.5 for key, value in near.items()}
    assert convex_combination(less, text, share, both) == pytest.approx(
        convex_combination(near, text, share, alone)
    )


def test_with_the_ensemble_an_english_question_reads_a_spanish_passage_as_its_translation() -> None:
    weights = weights_of("multilingual-e5-small+minilm-l6-v2", "en")
    row = PassageRow(document_id="", title="", source="", heading="", language="es", text="", metadata={})
    english, spanish = 0.8 * 0.87 + 0.2 * 0.55, 0.8 * 0.84
    found = Candidates(
        scores={"dense": {"own": english, "other": spanish, "none": 0.8 * 0.77}},
        rows={"own": {**row, "language": "en"}, "other": row, "none": row},
    )
    query = analyse_query(
        "Where does the Ebro rise?", languages=["es", "en"], filter="", limit=9, retrievers=None
    )
    near = cosines(found, query, weights)
    assert near is not None
    assert abs(near["own"] - near["other"]) < 0.02
    assert near["none"] < min(near["own"], near["other"]) - 0.05


def test_an_english_page_of_a_spanish_document_is_read_as_english() -> None:
    weights = weights_of("multilingual-e5-small+minilm-l6-v2", "en")
    row = PassageRow(
        document_id="",
        title="Guía",
        source="",
        heading="",
        language="es",
        text="The original tarball is unpacked, and then the directory is created.",
        metadata={},
    )
    found = Candidates(scores={"dense": {"page": 0.66, "other": 0.66}}, rows={"page": row, "other": row})
    found.rows["other"] = {**row, "text": "El archivo original se descomprime y luego se crea la carpeta."}
    query = analyse_query("What is the total?", languages=["es", "en"], filter="", limit=9, retrievers=None)
    near = cosines(found, query, weights)
    assert near is not None
    assert near["page"] == 0.66
    assert near["other"] > 0.7
