"""Forty questions to the chat agent, half of them without an answer, over engines that invent in every way:
a child process behind the real pool."""

import asyncio
import re
from dataclasses import replace

import pytest

from agents.context import Context, RunConfig
from agents.events import Token
from agents.grounding.judgement import UNSUPPORTED
from agents.runtime import AgentRequest, stream
from tests.agents.inventing.inventor import KINDS
from tests.agents.peers import ending
from tests.agents.test_grounded_run import ANSWERED, FACTS, UNANSWERED
from tools.schema import Answer
from tools.settings import Agents

AT_ONCE = 4
MARKED = "|".join(map(re.escape, UNSUPPORTED.values()))
OWN = re.compile(
    r"(?:El modelo no se ha apoyado en los documentos\.|Esto es lo que dicen:|"
    r"The model did not rest on the documents\.|This is what they say:|"
    r"Los pasajes encontrados no contienen la respuesta|The passages found do not hold the answer|"
    r"No he encontrado nada|I found nothing|[Nn]ingún pasaje habla de|[Nn]o passage speaks of|"
    r"[Ee]l pasaje más cercano no da|[Tt]he nearest passage gives|[Ll]os pasajes encontrados hablan de otra|"
    r"[Tt]he passages found speak of something|Lo más cercano que dicen|The nearest that they say|"
    r"The passage is in Spanish:|El pasaje está en inglés:)"
)
"""How sentences begin that the product says by itself."""


async def answers(ready, context: Context, every: int) -> list[tuple[str, Answer, str]]:
    """Question, answer and what was shown while it came, of every so many questions: which of them is another
    matter with each kind of invention."""
    questions = [*ANSWERED, *UNANSWERED]
    first = list(KINDS).index(context.model) % every
    free = asyncio.Semaphore(AT_ONCE)

    async def ask(question: str) -> tuple[str, Answer, str]:
        request = AgentRequest("capibara6", [{"role": "user", "content": question}])
        async with free:
            events = [event async for event in stream(ready, request, context=context)]
        shown = "".join(event.text for event in events if isinstance(event, Token))
        return question, ending(events).answer, shown

    return await asyncio.gather(*map(ask, questions[first::every]))


def invented_in(text: str, question: str) -> list[str]:
    """Lines and sentences of an answer that neither a document, the question nor the product says."""
    found = []
    text = re.sub(
        rf"```.*?```\n({'|'.join(map(re.escape, UNSUPPORTED.values()))})", "", text, flags=re.DOTALL
    )
    marked = re.compile(rf"[.?!:]*\s*({'|'.join(map(re.escape, UNSUPPORTED.values()))})")
    for line in marked.sub(r" \1.", re.sub(r"\s*\[\d\]", "", text)).splitlines():
        bare = re.sub(r"«[^»]*»|“[^”]*”", "«»", line.lstrip("-*>#| ").strip())
        for fact in [*FACTS.values(), question, f"{question.strip('¿?')}."]:
            bare = bare.replace(fact, "").replace(fact[:-1], "")
        pieces = (piece.strip() for piece in re.split(r"(?<=[.?!])\s+", bare))
        found += [piece for piece in pieces if re.search(r"\w", piece) and not OWN.match(piece)]
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_that_an_engine_invents_is_shown(ready, inventing, kind) -> None:
    context = replace(inventing, config=RunConfig(model=kind))
    for question, done, shown in await answers(ready, context, 3):
        assert not invented_in(done.answer, question), question
        assert not invented_in(shown, question), question
        refused = any(one.kind == "refusal" for one in done.sentences)
        assert done.citations or refused, "an answer cites, or says that it is none"
        assert all(one.supported for one in done.sentences if one.kind == "claim"), done.answer


@pytest.mark.parametrize("kind", KINDS)
async def test_what_an_engine_invents_is_marked_where_it_is_shown(ready, inventing, kind) -> None:
    context = replace(inventing, config=RunConfig(model=kind), limits=Agents(grounding="mark"))
    for question, done, _ in await answers(ready, context, 6):
        bare = [
            one
            for one in invented_in(done.answer, question)
            if not any(m in one for m in UNSUPPORTED.values())
        ]
        assert not bare, question


async def test_what_an_engine_repeats_is_kept_with_its_mark(ready, inventing) -> None:
    for kind in ("mixture", "unmarked", "marks", "thinking", "listing"):
        context = replace(inventing, config=RunConfig(model=kind))
        for question, done, _ in await answers(ready, context, 5):
            if question in UNANSWERED:
                continue
            fact = next(fact for name, fact in FACTS.items() if name in question)
            assert re.search(rf"{re.escape(fact[:-1])}\.?\s*\[\d\]", done.answer), (kind, question)
            assert done.citations[0].text == fact
            assert done.model == kind
