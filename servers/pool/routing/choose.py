"""Routing: which model a conversation's last question deserves, and which one serves it now.

Features (`features`) → domain and difficulty (`classifier`) → candidates ranked by domain, as the caller's
wish moves them (`quality`) → the model that serves (`policy`) → reasons (`explain`). Pure: no clock, no
network, no log.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.catalog.routing_options import RoutingConfig, RoutingOptions
from servers.pool.routing.classifier import DOMAINS, Classification, classify
from servers.pool.routing.conversation import (
    Message,
    has_passages,
    is_follow_up,
    self_standing,
    user_questions,
)
from servers.pool.routing.correction import Correction
from servers.pool.routing.explain import domain_reasons, reason, signals
from servers.pool.routing.features import Features, extract_features
from servers.pool.routing.needs import Needs, needed
from servers.pool.routing.policy import Policy, PoolState, RankedQuestion
from servers.pool.routing.quality import NEUTRAL, STRONGEST, deserved
from tools.schema import Route
from tools.text.language import courtesy

HISTORY_WEIGHT, FOLLOW_UP_WEIGHT = 1.0, 0.4
"""In a follow-up of no words of its own: the weight of the conversation's log-probabilities (each turn back
half) and of its own features; with every content word both move to `ALONE_WEIGHT` and 1."""
ALONE_WEIGHT, NEW_WEIGHT = 0.2, 0.15
"""The conversation's weight beside a follow-up that could stand alone, and beside a short message that points
back at nothing. Estimates; the cases that they must get right are in `tests/pool/routing/test_choose.py`."""
MIN_PROBABILITY = 1e-3
"""Earlier questions rule no domain out: their probabilities count as at least this."""

KEPT_QUESTIONS, KEPT_CHARS = 128, 4_000
"""Questions that stay classified, some 30 kB each; a longer one is mostly pasted, and read anew."""


class Understanding(NamedTuple):
    """The last question: its features, its classification, and whether it is a follow-up."""

    features: Features
    classification: Classification
    follow_up: bool


def choose(
    messages: Sequence[Message],
    catalog: Catalog,
    state: PoolState,
    options: RoutingOptions | None = None,
    needs: Needs | None = None,
    correction: Correction | None = None,
) -> Route:
    """The routing decision for one conversation; `needs` are what the request asks beyond its messages'
    domain (without, what the messages alone ask), `correction` what the house has taught. Without an `[auto]`
    table the best-ranked chat model is default and last resort. Raises what `Policy.select` raises.
    """
    features, classification, follow_up = understand(messages, correction)
    options = options or RoutingOptions()
    quality = _quality(options, catalog)
    domains = deserved(classification.probabilities, classification.difficulty, quality)
    ranked = rank_candidates(catalog, domains)
    config = catalog.auto or RoutingConfig(default=ranked[0], last=ranked[0])
    question = RankedQuestion(
        ranked=ranked,
        wanted=ranked[0] if _has_domains(catalog) else config.default,
        probabilities=classification.probabilities,
        text=features.question.typed,
        language=features.question.language,
        needs=needs or needed(messages, {}),
    )
    selection = Policy(catalog, config, state, options, question).select()
    reasons = domain_reasons(features, classification, follow_up=follow_up, passages=has_passages(messages))
    reasons += _moved(classification, domains[0], quality, question)
    return Route(
        wanted=question.wanted,
        model=selection.model,
        confidence=round(classification.confidence, 2),
        difficulty=round(classification.difficulty, 3),
        reasons=[*reasons, *selection.reasons],
        signals=signals(classification),
        alternatives=[name for name in ranked if name not in (question.wanted, selection.model)],
    )


def understand(messages: Sequence[Message], correction: Correction | None = None) -> Understanding:
    """Classify the last question, as the house's `correction` has it."""
    found = _understand(messages)
    if correction is None:
        return found
    return found._replace(classification=correction.apply(found.classification))


def _understand(messages: Sequence[Message]) -> Understanding:
    """Classify the last question; a follow-up leans on the questions before it, the newest most."""
    questions = user_questions(messages) or [""]
    features, alone = _read(questions[0])
    standing = self_standing(questions[0])
    if len(questions) == 1 or standing > 1 or courtesy(questions[0]):
        return Understanding(features, alone, False)
    follow_up = is_follow_up(questions[0])
    weight, own = NEW_WEIGHT * (1 - standing), 1.0
    if follow_up:
        weight = HISTORY_WEIGHT + (ALONE_WEIGHT - HISTORY_WEIGHT) * standing
        own = FOLLOW_UP_WEIGHT + (1 - FOLLOW_UP_WEIGHT) * standing
    prior = {domain: weight * value for domain, value in _history(questions[1:]).items()}
    return Understanding(features, classify(features, prior, own=own), follow_up)


def _read(question: str) -> tuple[Features, Classification]:
    """One question by itself: a route is decided and a consensus planned for it, and each later turn of its
    conversation looks back at it."""
    return _kept(question) if len(question) <= KEPT_CHARS else _classified(question)


def _classified(question: str) -> tuple[Features, Classification]:
    features = extract_features(question)
    return features, classify(features)


_kept = lru_cache(maxsize=KEPT_QUESTIONS)(_classified)


def _history(questions: Sequence[str]) -> dict[str, float]:
    """The log-probabilities of the domains that earlier questions gave, each turn back counting half."""
    prior = dict.fromkeys(DOMAINS, 0.0)
    for turn, question in enumerate(questions):
        for domain, probability in _read(question)[1].probabilities.items():
            prior[domain] += 0.5**turn * math.log(max(probability, MIN_PROBABILITY))
    return prior


def _quality(options: RoutingOptions, catalog: Catalog) -> float:
    """The wish for quality: the caller's, else the catalogue's."""
    if options.quality is not None:
        return options.quality
    return catalog.auto.quality if catalog.auto else NEUTRAL


def _moved(
    classification: Classification, domain: str, quality: float, question: RankedQuestion
) -> list[str]:
    """Why another domain than the most probable one is deserved; nothing when it is that one."""
    if domain == classification.domain:
        return []
    if quality != NEUTRAL:
        return [reason("wish", question.language, quality=quality, model=question.wanted)]
    if domain == STRONGEST:
        return [reason("hard", question.language, difficulty=classification.difficulty)]
    return []


def rank_candidates(catalog: Catalog, domains: Sequence[str]) -> list[str]:
    """Ids of the chat models in the order of `domains`, others last; of equals the catalogue's first."""
    place = {domain: number for number, domain in enumerate(domains)}

    def rank(spec: ModelSpec) -> int:
        return place.get(spec.domain, len(place))

    return [spec.id for spec in sorted(_chat_models(catalog), key=rank)]


def _has_domains(catalog: Catalog) -> bool:
    """Whether any chat model is made for one of the domains that can be told apart."""
    return any(spec.domain in DOMAINS for spec in _chat_models(catalog))


def _chat_models(catalog: Catalog) -> list[ModelSpec]:
    return [spec for spec in catalog.models.values() if spec.kind == "chat"]
