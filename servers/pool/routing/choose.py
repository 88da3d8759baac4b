"""Routing: which model a conversation's last question deserves, and which one serves it now.

Features (`features`) → domain (`classifier`) → candidates ranked by domain → the model that serves
(`policy`) → reasons (`explain`). Pure: no clock, no network, no log.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from servers.pool.catalog.catalog import Catalog, ModelSpec
from servers.pool.catalog.routing_options import RoutingConfig, RoutingOptions
from servers.pool.routing.classifier import DOMAINS, Classification, classify
from servers.pool.routing.conversation import Message, has_passages, is_follow_up, total_chars, user_questions
from servers.pool.routing.explain import domain_reasons, signals
from servers.pool.routing.features import Features, extract_features
from servers.pool.routing.policy import Policy, PoolState, RankedQuestion
from tools.schema import Route

HISTORY_WEIGHT, FOLLOW_UP_WEIGHT = 1.0, 0.4
"""In a follow-up: the weight of the conversation's log-probabilities (halved a turn) and of its own features.

Estimates; the cases that they must get right are in `tests/pool/routing/test_choose.py`.
"""
MIN_PROBABILITY = 1e-3
"""Earlier questions rule no domain out: their probabilities count as at least this."""


class Understanding(NamedTuple):
    """The last question: its features, its classification, and whether it is a follow-up."""

    features: Features
    classification: Classification
    follow_up: bool


def choose(
    messages: Sequence[Message], catalog: Catalog, state: PoolState, options: RoutingOptions | None = None
) -> Route:
    """The routing decision for one conversation.

    Without an `[auto]` table the best-ranked chat model is default and last resort. Raises ModelNotFound when
    `options` name a model that the catalogue lacks.
    """
    features, classification, follow_up = understand(messages)
    ranked = rank_candidates(catalog, classification.probabilities)
    config = catalog.auto or RoutingConfig(default=ranked[0], last=ranked[0])
    question = RankedQuestion(
        ranked=ranked,
        wanted=ranked[0] if _has_domains(catalog) else config.default,
        probabilities=classification.probabilities,
        text=features.question.raw_text,
        chars=total_chars(messages),
        language=features.question.language,
    )
    selection = Policy(catalog, config, state, options or RoutingOptions(), question).select()
    reasons = domain_reasons(features, classification, follow_up=follow_up, passages=has_passages(messages))
    return Route(
        wanted=question.wanted,
        model=selection.model,
        confidence=round(classification.confidence, 2),
        reasons=[*reasons, *selection.reasons],
        signals=signals(features, classification),
        alternatives=[name for name in ranked if name not in (question.wanted, selection.model)],
    )


def understand(messages: Sequence[Message]) -> Understanding:
    """Classify the last question; a follow-up leans on the questions before it, the newest most."""
    questions = user_questions(messages) or [""]
    features = extract_features(questions[0])
    if len(questions) == 1 or not is_follow_up(questions[0]):
        return Understanding(features, classify(features.values), False)
    prior = dict.fromkeys(DOMAINS, 0.0)
    for turn, question in enumerate(questions[1:]):
        for domain, probability in classify(extract_features(question).values).probabilities.items():
            prior[domain] += HISTORY_WEIGHT * 0.5**turn * math.log(max(probability, MIN_PROBABILITY))
    own = {name: FOLLOW_UP_WEIGHT * value for name, value in features.values.items()}
    return Understanding(features, classify(own, prior), True)


def rank_candidates(catalog: Catalog, probabilities: Mapping[str, float]) -> list[str]:
    """Ids of the chat models, those of the most probable domain first; of equals the catalogue's first."""

    def improbability(spec: ModelSpec) -> float:
        return -probabilities.get(spec.domain, -1.0)

    return [spec.id for spec in sorted(_chat_models(catalog), key=improbability)]


def _has_domains(catalog: Catalog) -> bool:
    """Whether any chat model is made for one of the domains that can be told apart."""
    return any(spec.domain in DOMAINS for spec in _chat_models(catalog))


def _chat_models(catalog: Catalog) -> list[ModelSpec]:
    return [spec for spec in catalog.models.values() if spec.kind == "chat"]
