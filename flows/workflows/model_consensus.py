"""Flow `model_consensus`: one question to every model that generates; the answer with most agreement.

The pool's virtual model `consensus` serves chats, while somebody waits; this is for batches and audits:
every answer is kept, with its similarity to the others.
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

from flows.operations.messages import say
from flows.operations.retry import SHORT_RETRY
from tools.clients.bridge import open_bridge
from tools.clients.pool import open_pool
from tools.errors import Capibara6Error, Unavailable
from tools.settings import Settings, load_settings


@dataclass(frozen=True)
class ModelAnswer:
    """One model's answer and its mean cosine similarity to the others, in [-1, 1]; or why there is none."""

    model: str
    answer: str = ""
    agreement: float = 0.0
    error: str = ""


@flow(name="model_consensus", flow_run_name="model_consensus")
async def model_consensus(
    question: Annotated[str, Field(min_length=1, max_length=32_000)],
    models: list[str] | None = None,
    max_tokens: Annotated[int, Field(ge=1, le=4_096)] = 512,
) -> State[ModelAnswer]:
    """Pregunta a varios modelos y elige lo más compartido. · Ask several models, keep what they share.

    Args:
        question: the question.
        models: who is asked; by default every model that is available and generates.
        max_tokens: of each answer.
    """
    settings, log = load_settings(), get_run_logger()
    async with open_pool(settings) as pool:
        members = models or await pool.generators()
    if not members:
        raise Unavailable(say("no_generator", settings.language), source="pool")
    answers = await asyncio.gather(*(_answer(settings, model, question, max_tokens) for model in members))
    answered = [answer for answer in answers if not answer.error]
    for answer in answers:
        if answer.error:
            log.warning(f"{answer.model}: {answer.error}")
    if not answered:
        raise Unavailable("; ".join(f"{item.model}: {item.error}" for item in answers), source="pool")
    async with open_bridge(settings) as bridge:
        # As passages, all that are not English would agree in the number that says so.
        vectors = await bridge.embed([answer.answer for answer in answered], purpose="query")
        scored = score_agreement(answered, vectors)
    best = max(scored, key=lambda answer: answer.agreement)
    failed = [answer for answer in answers if answer.error]
    await acreate_table_artifact([asdict(item) for item in [*scored, *failed]], key="consensus")
    await acreate_markdown_artifact(
        f"## {question}\n\n{best.answer}\n\n— {best.model}", key="consensus-answer"
    )
    message = say("agreed", settings.language, model=best.model, count=len(answered), total=len(members))
    return Completed(message=message, data=best)


def score_agreement(answers: Sequence[ModelAnswer], vectors: Sequence[Sequence[float]]) -> list[ModelAnswer]:
    """Each answer with its mean cosine to the others (1 when alone); `vectors` have unit length. Pure."""
    matrix = np.asarray(vectors, dtype=np.float32)
    if len(answers) == 1:
        return [ModelAnswer(answers[0].model, answers[0].answer, 1.0)]
    similarity = matrix @ matrix.T
    means = (similarity.sum(axis=1) - np.diag(similarity)) / (len(answers) - 1)
    return [
        ModelAnswer(answer.model, answer.answer, round(float(mean), 3))
        for answer, mean in zip(answers, means, strict=True)
    ]


@task(task_run_name="ask {model}", cache_policy=NO_CACHE, **SHORT_RETRY)
async def ask(settings: Settings, model: str, question: str, max_tokens: int) -> str:
    """One model's whole answer."""
    async with open_pool(settings) as pool:
        return await pool.complete(question, model=model, max_tokens=max_tokens)


async def _answer(settings: Settings, model: str, question: str, max_tokens: int) -> ModelAnswer:
    try:
        answer = await ask(settings, model, question, max_tokens)
    except Capibara6Error as exc:
        return ModelAnswer(model, error=exc.message)
    return ModelAnswer(model, answer) if answer.strip() else ModelAnswer(model, error="empty answer")
