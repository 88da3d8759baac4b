"""Flow `model_consensus`: one question to every model that generates; the answer with most agreement.

The pool's virtual model `consensus` serves chats, while somebody waits; this is for batches and audits:
every answer is kept, with how near it is to the others.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.operations.generation import generators, say_once
from flows.operations.messages import say
from flows.operations.retry import HASTY
from tools.clients.bridge import open_bridge
from tools.clients.pool import open_pool
from tools.errors import Capibara6Error, Unavailable
from tools.settings import Settings, load_settings


@dataclass(frozen=True)
class Opinion:
    """What one model said and its mean nearness to the others, in [-1, 1]; or why it said nothing."""

    model: str
    answer: str = ""
    agreement: float = 0.0
    error: str = ""


@flow(name="model_consensus", flow_run_name="model_consensus")
async def model_consensus(
    question: Annotated[str, Field(min_length=1, max_length=32_000)],
    models: list[str] | None = None,
    max_tokens: Annotated[int, Field(ge=1, le=4_096)] = 512,
) -> State[Opinion]:
    """Pregunta a varios modelos y elige lo más compartido. · Ask several models, keep what they share.

    Args:
        question: the question.
        models: who is asked; by default every model that is available and generates.
        max_tokens: of each answer.
    """
    settings, log = load_settings(), get_run_logger()
    async with open_pool(settings) as pool:
        members = models or await generators(pool)
    if not members:
        raise Unavailable(say("no_generator", settings.language), source="pool")
    opinions = await asyncio.gather(*(_opinion(settings, model, question, max_tokens) for model in members))
    answered = [opinion for opinion in opinions if not opinion.error]
    for opinion in opinions:
        if opinion.error:
            log.warning(f"{opinion.model}: {opinion.error}")
    if not answered:
        raise Unavailable("; ".join(f"{item.model}: {item.error}" for item in opinions), source="pool")
    async with open_bridge(settings) as bridge:
        weighed = weigh(answered, await bridge.embed([opinion.answer for opinion in answered]))
    best = max(weighed, key=lambda opinion: opinion.agreement)
    failed = [opinion for opinion in opinions if opinion.error]
    await acreate_table_artifact([asdict(item) for item in [*weighed, *failed]], key="consensus")
    await acreate_markdown_artifact(
        f"## {question}\n\n{best.answer}\n\n— {best.model}", key="consensus-answer"
    )
    message = say("agreed", settings.language, model=best.model, count=len(answered), total=len(members))
    return Completed(message=message, data=best)


def weigh(opinions: Sequence[Opinion], vectors: Sequence[Sequence[float]]) -> list[Opinion]:
    """Each opinion with its mean cosine to the others (1 when it is alone); `vectors` have unit length."""
    matrix = np.asarray(vectors, dtype=np.float32)
    if len(opinions) == 1:
        return [Opinion(opinions[0].model, opinions[0].answer, 1.0)]
    near = matrix @ matrix.T
    means = (near.sum(axis=1) - np.diag(near)) / (len(opinions) - 1)
    return [
        Opinion(opinion.model, opinion.answer, round(float(mean), 3))
        for opinion, mean in zip(opinions, means, strict=True)
    ]


@task(task_run_name="ask {model}", cache_policy=NO_CACHE, **HASTY)
async def ask(settings: Settings, model: str, question: str, max_tokens: int) -> str:
    """One model's whole answer."""
    async with open_pool(settings) as pool:
        return await say_once(pool, model, question, max_tokens=max_tokens)


async def _opinion(settings: Settings, model: str, question: str, max_tokens: int) -> Opinion:
    try:
        answer = await ask(settings, model, question, max_tokens)
    except Capibara6Error as exc:
        return Opinion(model, error=exc.message)
    return Opinion(model, answer) if answer.strip() else Opinion(model, error="empty answer")
