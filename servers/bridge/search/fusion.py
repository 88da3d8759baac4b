"""Fuses the retrievers' scores into one in [0, 1] for each passage. Pure: numbers in, numbers out.

Dense and text are a convex combination whose weight follows the languages of query, passage and embedder; the
graph then rescores it. Convex combination over max-normalised scores, because rank fusion (RRF) loses what
the scores say: S. Bruch, S. Gai, A. Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (TOIS
2023); here, over XQuAD-es, nDCG@10 is .967 with it and .836 with RRF (`tests/bench/retrieval`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from servers.bridge.search.candidates import Candidates
from servers.bridge.search.query import Query


@dataclass(frozen=True)
class FusionWeights:
    """Weights in [0, 1]; those of the dense score leave the rest to 1 to the text's.

    Each says what another value costs: the difference of nDCG@10 with MiniLM over HotpotQA-100, Cranfield,
    XQuAD and XQuAD with the questions of the other language, 100 to 120 questions each, all else as it is.
    """

    dense_known: float = 0.5
    """Query and passage are in one language that the embedder knows. .3: Cranfield -.017, HotpotQA +.008; .7:
    Cranfield -.008, HotpotQA -.005."""
    dense_unknown: float = 0.2
    """In one language that it does not know. .1: XQuAD-es -.003; .4: +.004; alone, dense has .609 of BM25's
    .967."""
    dense_passage_known: float = 0.45
    """In two languages, of which it knows the passage's at most. .25: XQuAD es→en -.004; .65: -.050."""
    dense_query_known: float = 0.6
    """In two languages, of which it knows the query's. .4: XQuAD en→es -.068; .8: -.007."""
    dense_multilingual: float = 0.8
    """In two languages, both of which it knows: with multilingual-e5-small over XQuAD es→en, dense alone has
    .932 and .7 of it .915."""
    graph: float = 0.7
    """What the graph's score counts beside the fused one. .4: HotpotQA -.021; .85: HotpotQA +.004, Cranfield
    -.002."""
    missing_dense: float = 0.8
    """Of the lowest dense score, for what only the text retriever found. .5: +.003, XQuAD es→en, en→es and
    Cranfield; 1: Cranfield -.009, en→es -.008."""
    same_section: float = 0.8
    other_section: float = 0.95
    """What further passages of a document keep of their score (`diversify`). Over pages of many passages a
    sterner .5 and .9 found the answers of held-out questions no better; the sets above have few such
    pages."""
    cosine_low: float = 0.15
    cosine_high: float = 0.75
    """The nearest passage's cosine that says nothing, and the one that says all. With MiniLM, over XQuAD-en
    and HotpotQA-100: of questions that the collection cannot answer 1 % lie below .13-.17, half below
    .19-.31, 95 % below .27-.44; of those that it answers, half lie above .46-.59 and 5 % above .75-.84."""


DEFAULT = FusionWeights()
MIN_CONFIDENCE, MAX_COVERED_CONFIDENCE = 0.01, 0.95
"""A hit is never 0, and words alone never make it certain. Scale only: they change no order."""


def dense_weight(
    query: str, passage: str, embedder_languages: tuple[str, ...], weights: FusionWeights = DEFAULT
) -> float:
    """The weight of the dense score in [0, 1], by the languages of query and passage and those that the
    embedder knows."""
    if query in embedder_languages and passage in embedder_languages:
        return weights.dense_known if query == passage else weights.dense_multilingual
    if query == passage:
        return weights.dense_unknown
    return weights.dense_query_known if query in embedder_languages else weights.dense_passage_known


def fuse(
    candidates: Candidates, query: Query, embedder_languages: tuple[str, ...], weights: FusionWeights
) -> dict[str, float]:
    """Dense and text scores as one in [0, 1] by passage id; a retriever that did not answer leaves all to the
    other."""
    dense, text = candidates.scores.get("dense"), candidates.scores.get("text")
    dense_weights: dict[str, float] = {}
    for key in {**(dense or {}), **(text or {})}:
        both = dense_weight(query.language, candidates.rows[key]["language"], embedder_languages, weights)
        dense_weights[key] = 0.0 if dense is None else 1.0 if text is None else both
    return convex_combination(dense or {}, text or {}, dense_weights, weights)


def normalised(scores: Mapping[str, float]) -> dict[str, float]:
    """The sizes of one retriever's scores divided by the largest: in [0, 1], whatever their unit."""
    top = max((abs(score) for score in scores.values()), default=0.0)
    return {key: abs(score) / top if top else 0.0 for key, score in scores.items()}


def convex_combination(
    dense: Mapping[str, float],
    text: Mapping[str, float],
    dense_weights: Mapping[str, float],
    weights: FusionWeights = DEFAULT,
) -> dict[str, float]:
    """`w · dense + (1 - w) · text` of the normalised scores, with each passage's own `dense_weights`.

    What only the text retriever found gets `missing_dense` times the lowest dense score; what only the dense
    one found has no word of the query: 0."""
    dense_scores, text_scores = normalised(dense), normalised(text)
    lowest = weights.missing_dense * min(dense_scores.values(), default=0.0)
    return {
        key: dense_weights[key] * dense_scores.get(key, lowest)
        + (1 - dense_weights[key]) * text_scores.get(key, 0.0)
        for key in dict.fromkeys([*dense_scores, *text_scores])
    }


def rescore(
    fused: Mapping[str, float], graph: Mapping[str, float], weights: FusionWeights = DEFAULT
) -> dict[str, float]:
    """Convex combination with the graph's scores: it lifts what is linked to the best passages; the rest
    keeps its order."""
    if not graph:
        return dict(fused)
    part = weights.graph
    keys = dict.fromkeys([*fused, *graph])
    return {key: (1 - part) * fused.get(key, 0.0) + part * graph.get(key, 0.0) for key in keys}


def diversify(
    scores: Mapping[str, float], sections: Mapping[str, tuple[str, str]], weights: FusionWeights = DEFAULT
) -> dict[str, float]:
    """Lower what repeats: after a document's best passage, others of the same section and of other sections.

    `sections` holds document id and heading of each passage. The passages of one text say much the same, and
    a short list should not be one document."""
    seen: dict[str, set[str]] = {}
    found: dict[str, float] = {}
    for key in sorted(scores, key=lambda key: (-scores[key], key)):
        document, heading = sections[key]
        headings = seen.setdefault(document, set())
        factor = weights.same_section if heading in headings else weights.other_section if headings else 1.0
        headings.add(heading)
        found[key] = scores[key] * factor
    return found


def confidence(cosine: float | None, covered: float, weights: FusionWeights = DEFAULT) -> float:
    """In [.01, 1]: the better of how near the nearest passage is and how many words of the query the best
    hold.

    `cosine` is the nearest's, None without the dense retriever; `covered` is a share of the query's stems,
    which alone makes no more than `MAX_COVERED_CONFIDENCE`: words may be there and the answer not.
    """
    span = weights.cosine_high - weights.cosine_low
    nearness = 0.0 if cosine is None else min(1.0, max(0.0, (cosine - weights.cosine_low) / span))
    return max(MIN_CONFIDENCE, nearness, covered * MAX_COVERED_CONFIDENCE)
