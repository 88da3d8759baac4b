"""Fuses the retrievers' scores into one in [0, 1] for each passage. Pure: numbers in, numbers out.

Dense and text are a convex combination whose weight follows the languages of query, passage and embedder; the
graph then rescores it. Convex combination over max-normalised scores, because rank fusion (RRF) loses what
the scores say: S. Bruch, S. Gai, A. Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (TOIS
2023); here, over XQuAD-es, nDCG@10 is .967 with it and .836 with RRF (`tests/bench/retrieval`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from servers.bridge.search.candidates import Candidates, PassageRow, labelled, leaning
from servers.bridge.search.query import Query
from tools.schema import Language


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
    cosine_floor: float = 0.0
    """The cosine that counts as none in the fused score: what any two texts have."""
    other_floor: float | None = None
    other_scale: float = 1.0
    """The same of a passage in another language than the query's, which lies further off, and how many times
    what it has above that counts; None: as any other."""
    graph: float = 0.8
    """What the graph's score counts beside the fused one. .7: R@5 of made-up two-hop questions -.007,
    HotpotQA -.010, MuSiQue -.007 (`graph.expansion`)."""
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
E5 = FusionWeights(
    dense_known=0.7,
    dense_multilingual=0.8,
    cosine_floor=0.7,
    other_floor=0.67,
    cosine_low=0.76,
    cosine_high=0.92,
)
"""With multilingual-e5-small, any two texts of which have a cosine of .7 to .8. Learnt on XQuAD (es, en,
and each asked in the other language) and HotpotQA-100, MuSiQue-100 held out, before the graph: without the
floor .7 of the dense score gives es→en .843, with it .952, and .8 gives .956; in one language .6 to .8 are
within .003 of each other.

A passage is nearer by .05 than its translation. Over XQuAD with half of its documents in each language, .03
raises dense alone from .475 to .812 (es) and .739 to .924 (en) where the answer is in the other language, and
costs .001 and .005 where it is not; .05 would cost .017 and .068.

Of questions that a collection cannot answer 1 % have their nearest passage below .74-.78, half below
.76-.81, 95 % below .79-.84; of those that it answers, half have it above .87-.89 and 5 % above .91-.93."""
MANY = 0.8
"""What a cosine with multilingual-e5-small counts in that of the ensemble, the rest being MiniLM's; its
square root for a question that is not English (`embedding.ensemble.ENGLISH_SHARE`)."""
ENSEMBLE_SPANISH = replace(
    E5,
    cosine_floor=MANY**0.5 * 0.7,
    other_floor=MANY**0.5 * 0.67,
    cosine_low=MANY**0.5 * 0.76,
    cosine_high=MANY**0.5 * 0.92,
)
"""The same order as with multilingual-e5-small alone."""
ENSEMBLE_ENGLISH = replace(
    E5,
    dense_known=0.65,
    cosine_floor=MANY * 0.7,
    other_floor=MANY * 0.68,
    other_scale=2.0,
    cosine_low=0.64,
    cosine_high=0.89,
)
"""Learnt on Cranfield and every sixth question of XQuAD-en, HotpotQA-100 held out, with the graph: .445, .980
and .938 (with multilingual-e5-small alone .426, .975 and .936; with MiniLM HotpotQA has .928). .7 of the
dense score: Cranfield -.002, HotpotQA -.003.

A Spanish passage has nothing of MiniLM's cosine, so that what it has above its floor counts twice. Over XQuAD
with half of its documents in each language that gives .979 where the answer is in English and .936 where it
is in Spanish (multilingual-e5-small alone: .982, .921); 1.5 and .65 instead of .68: .984 and .911."""
OF_EMBEDDER: Mapping[tuple[str, Language], FusionWeights] = {
    ("multilingual-e5-small", "es"): E5,
    ("multilingual-e5-small", "en"): E5,
    ("multilingual-e5-small+minilm-l6-v2", "es"): ENSEMBLE_SPANISH,
    ("multilingual-e5-small+minilm-l6-v2", "en"): ENSEMBLE_ENGLISH,
}
MIN_CONFIDENCE, MAX_COVERED_CONFIDENCE = 0.01, 0.95
"""A hit is never 0, and words alone never make it certain. Scale only: they change no order."""


def weights_of(embedder: str, language: Language) -> FusionWeights:
    """The weights learnt with a model's vectors for questions in `language`, those of `DEFAULT` for any other
    model."""
    return OF_EMBEDDER.get((embedder, language), DEFAULT)


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
    dense, text = cosines(candidates, query, weights), candidates.scores.get("text")
    dense_weights: dict[str, float] = {}
    for key in {**(dense or {}), **(text or {})}:
        written = written_in(candidates.rows[key], query.language)
        both = dense_weight(query.language, written, embedder_languages, weights)
        dense_weights[key] = 0.0 if dense is None else 1.0 if text is None else both
    return convex_combination(dense or {}, text or {}, dense_weights, weights)


def cosines(candidates: Candidates, query: Query, weights: FusionWeights) -> dict[str, float] | None:
    """The dense scores, as near as each would be in the query's language; None without that retriever."""
    found, floor = candidates.scores.get("dense"), weights.other_floor
    if found is None or floor is None:
        return found
    rows, language = candidates.rows, query.language
    return {
        key: score
        if written_in(rows[key], language) == language
        else weights.cosine_floor + weights.other_scale * (score - floor)
        for key, score in found.items()
    }


def written_in(row: PassageRow, asked: Language) -> Language:
    """A passage's language: its document's, but for one whose little words say that it is written as the
    question is, like the English pages of a Spanish guide. It is by the text that the embedder reads it."""
    own = labelled(row)
    return asked if own == asked or leaning(row["text"], own, asked) < 0 else own


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
    above = {key: max(0.0, abs(score) - weights.cosine_floor) for key, score in dense.items()}
    dense_scores, text_scores = normalised(above), normalised(text)
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
