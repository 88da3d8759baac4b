"""The opinion of a model, a child process behind the real pool, on what the rules leave open."""

from dataclasses import replace

import pytest

from agents.answerability.decision import Answerability, is_open, with_opinion
from agents.answering.entailment import follows, holds_answer
from agents.answering.retrieval import checked
from tests.agents.test_grounded_run import FACTS
from tools.passages import Passage
from tools.schema import Hit
from tools.settings import Agents

TOWER = Passage(1, "torre", FACTS["torre"])
HIT = Hit(id="torre:0", document_id="torre", title="torre", text=FACTS["torre"], score=0.5)
DOUBTFUL = Answerability(0.3, "near", "el pasaje más cercano no da lo que se pide", "torre", FACTS["torre"])
LIKELY = Answerability(0.5, "answer", "«torre» dice lo que se pregunta", "torre", FACTS["torre"])


async def test_engine_says_what_follows_and_what_is_answered(inventing) -> None:
    asked = {"model": "judge", "pool": inventing.clients.pool}
    assert await follows("La torre es muy alta.", TOWER, **asked)
    assert not await follows("La torre es de piedra.", TOWER, **asked)
    assert await holds_answer("¿Cómo de alta es la torre?", [TOWER], **asked) is True
    assert await holds_answer("¿Quién pagó la torre?", [TOWER], **asked) is False


async def test_engine_that_says_neither_or_is_not_there_has_no_opinion(inventing) -> None:
    pool = inventing.clients.pool
    assert await holds_answer("¿Quién pagó la torre?", [TOWER], model="numbers", pool=pool) is None
    assert await holds_answer("¿Quién pagó la torre?", [TOWER], model="nobody", pool=pool) is None
    assert not await follows("La torre es de piedra.", TOWER, model="nobody", pool=pool)


@pytest.mark.parametrize(
    ("judged", "question", "verdict"),
    [
        (DOUBTFUL, "¿Cómo de alta es la torre?", "answer"),
        (DOUBTFUL, "¿Quién pagó la torre?", "near"),
        (LIKELY, "¿Cómo de alta es la torre?", "answer"),
        (LIKELY, "¿Quién pagó la torre?", "near"),
    ],
)
async def test_opinion_turns_what_is_open(inventing, judged, question, verdict) -> None:
    checking = replace(inventing, limits=Agents(entailment="judge"))
    turned = await checked(judged, question, [HIT], "es", checking)
    assert turned.verdict == verdict
    assert await checked(judged, question, [HIT], "es", inventing) == judged, "nobody is asked without it"


def test_what_is_certain_is_not_asked_about() -> None:
    assert not is_open(replace(LIKELY, support=0.95))
    assert not is_open(replace(DOUBTFUL, support=0.02))
    assert not is_open(Answerability(0.3, "refuse", "no se ha encontrado ningún pasaje"))


def test_denied_answer_says_who_denies_it() -> None:
    denied = with_opinion(LIKELY, False, language="es")
    assert denied.verdict == "near"
    assert denied.reason == "según el modelo que lo comprueba, los pasajes no lo responden"
