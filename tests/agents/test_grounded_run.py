"""Runs of the chat agent over models that invent, think aloud, repeat themselves, are cut or still load."""

import re
from dataclasses import replace

import pytest

from agents.context import RunConfig
from agents.events import Progress, Reasoning, Routed, Token
from agents.runtime import AgentRequest, run, stream
from servers.pool.extractive.answer import answer as extract
from tests.agents.peers import ending
from tools.settings import Agents, Chat

FACTS = {
    "torre": "La torre de Valdemar mide 73 metros de altura.",
    "puente": "El puente de Orbaiz tiene 12 arcos de piedra.",
    "museo": "El museo de Lirios guarda 480 cuadros.",
    "tren": "El tren de Catoira tarda 35 minutos en llegar a Vigo.",
    "embalse": "El embalse de Riaza contiene 64 hectómetros de agua.",
    "coro": "El coro de Larraun ensaya los martes con 28 voces.",
    "molino": "El molino de Tarragoya se construyó en 1642.",
    "faro": "El faro de Gorliz alumbra hasta 22 millas.",
    "mercado": "El mercado de Olite abre a las 9 horas.",
    "biblioteca": "La biblioteca de Sangüesa presta 5 libros por persona.",
}
ANSWERED = [
    *(f"¿Qué hace {' '.join(text.split()[:4])}?" for text in FACTS.values()),
    *(f"Dime qué se sabe de {' '.join(text.split()[:4])}" for text in FACTS.values()),
]
UNANSWERED = [
    *(f"¿Quién diseñó la fachada de {name} y por qué motivo?" for name in FACTS),
    *(f"What does it cost to visit the {name} in winter?" for name in FACTS),
]
INVENTED = [
    "Fue inaugurado por Eiffel en 1889 [1].",
    "Su precio es de 42 euros [2].",
    "The warranty lasts 6 years and covers everything [1].",
    "Los gatos duermen de noche sobre el tejado.",
]


def words(text: str) -> list[dict]:
    return [{"content": word} for word in re.findall(r"\S+\s*", text)]


def invent(body: dict) -> list[dict]:
    """A model that says what it read, for some questions, then the same with other numbers, then anything."""
    prompt = body["messages"][-1]["content"]
    if body["model"] == "extractive":
        return words(extract(body["messages"]))
    first = re.search(r'<passage n="1" title="[^"]*">\n(.*?)\n</passage>', prompt, re.DOTALL)
    question = prompt.rpartition("</passages>")[2]
    true = first[1] if first and "¿Qué" in question else ""
    false = re.sub(r"\d+", lambda found: str(int(found[0]) + 3), first[1]) if first else ""
    return words(" ".join(part for part in (true, false, *INVENTED) if part))


@pytest.fixture
def inventor(knobs):
    knobs.mind, knobs.model = invent, "phi4_fast"
    knobs.documents = [
        {"id": name, "title": name, "source": f"{name}.md", "text": text} for name, text in FACTS.items()
    ]
    return knobs


def asked(text: str) -> AgentRequest:
    return AgentRequest("capibara6", [{"role": "user", "content": text}])


def limited(context, **limits):
    return replace(context, limits=Agents(**limits))


async def test_no_invention_of_a_model_reaches_the_reader(ready, context, inventor) -> None:
    for question in [*ANSWERED, *UNANSWERED]:
        events = [event async for event in stream(ready, asked(question), context=context)]
        done = ending(events).answer
        shown = "".join(event.text for event in events if isinstance(event, Token))
        false = [re.sub(r" \[\d\]", "", one) for one in INVENTED]
        assert not [one for one in false if one[:-1] in shown], question
        told = [text for text in FACTS.values() if text in shown and f"> {text}" not in shown]
        assert done.citations or not told, (
            "an answer has a citation; the nearest passage is quoted as no answer"
        )
        assert done.citations or any(one.kind == "refusal" for one in done.sentences), done.answer
        assert all(one.supported for one in done.sentences if one.kind == "claim")
        numbers = re.findall(r"\b\d+\b", re.sub(r"\[\d+\]", "", done.answer))
        assert all(any(number in text for text in FACTS.values()) for number in numbers), done.answer


async def test_answer_keeps_what_a_passage_says_and_gets_its_mark(ready, context, inventor) -> None:
    done = (await run(ready, asked("¿Qué altura tiene la torre de Valdemar?"), context=context)).answer
    assert done.answer == "La torre de Valdemar mide 73 metros de altura. [1]"
    assert done.model == "phi4_fast"
    (sentence,) = [one for one in done.sentences if one.kind == "claim"]
    (span,) = sentence.spans
    assert done.citations[0].text[span.start : span.end] == "La torre de Valdemar mide 73 metros de altura."


async def test_answer_without_support_is_left_for_the_passages_and_says_so(ready, context, inventor) -> None:
    inventor.script = []
    inventor.mind = lambda body: words("Es de 42 euros.") if body["model"] != "extractive" else invent(body)
    events = [event async for event in stream(ready, asked("¿Cuánto mide la torre?"), context=context)]
    done = ending(events).answer
    assert done.answer.startswith("El modelo no se ha apoyado en los documentos.")
    assert "73 metros" in done.answer
    assert "42" not in done.answer
    assert done.notes == ["grounding_fallback"]
    [heard] = inventor.asked["/v1/route/feedback"]
    assert heard["messages"] == [{"role": "user", "content": "¿Cuánto mide la torre?"}]
    assert (heard["signal"], heard["model"]) == ("ungrounded", "phi4_fast")
    assert done.model == "extractive"
    assert any(isinstance(event, Progress) and event.stage == "grounding" for event in events)


async def test_unsupported_sentences_are_marked_where_the_settings_say_so(ready, context, inventor) -> None:
    marking = limited(context, grounding="mark")
    done = (await run(ready, asked("¿Qué altura tiene la torre de Valdemar?"), context=marking)).answer
    assert "73 metros de altura. [1]" in done.answer
    assert "Su precio es de 42 euros. [sin respaldo]" in done.answer
    assert done.answer.count("[sin respaldo]") == 1 + len(INVENTED)


async def test_answer_stands_as_it_is_where_grounding_is_off(ready, context, inventor) -> None:
    loose = limited(context, grounding="off")
    done = (await run(ready, asked("¿Qué altura tiene la torre de Valdemar?"), context=loose)).answer
    assert "Su precio es de 42 euros" in done.answer
    assert [one for one in done.sentences if one.kind == "claim" and not one.supported]


async def test_model_decides_what_the_rules_leave_open(ready, context, inventor) -> None:
    said = "La torre de Valdemar alcanza una altura notable en esa comarca vieja."
    inventor.mind = lambda body: words("yes" if "Sentence:" in body["messages"][-1]["content"] else said)
    judging = limited(context, entailment="phi4_fast")
    done = (await run(ready, asked("¿Cómo es la torre de Valdemar?"), context=judging)).answer
    assert done.answer == f"{said} [1]"
    assert done.sentences[0].supported


async def test_thoughts_are_hidden_unless_the_settings_show_them(ready, context, inventor) -> None:
    inventor.mind = lambda _: [
        {"reasoning_content": "primero "},
        *words("<think>secreto</think> La torre de Valdemar mide 73 metros [1]."),
    ]
    question = asked("¿Cuánto mide la torre?")
    hidden = [event async for event in stream(ready, question, context=context)]
    assert "secreto" not in str(hidden)
    assert ending(hidden).answer.answer == "La torre de Valdemar mide 73 metros [1]."
    shown = [event async for event in stream(ready, question, context=limited(context, reasoning="shown"))]
    assert ending(shown).answer.reasoning == "primero secreto"
    assert "".join(event.text for event in shown if isinstance(event, Reasoning)) == "primero secreto"


async def test_model_that_only_thinks_is_not_empty(ready, context, inventor) -> None:
    inventor.mind = lambda body: invent(body) if body["model"] == "extractive" else words("<think>y luego")
    done = (await run(ready, asked("¿Cuánto mide la torre?"), context=context)).answer
    assert "73 metros" in done.answer
    talk = (await run(ready, asked("hola"), context=context)).answer
    assert talk.notes == ["only_reasoning"]


async def test_cut_answer_says_that_it_was_cut_and_its_length_is_bounded(ready, context, inventor) -> None:
    inventor.finish, inventor.window = "length", 16_384
    done = (await run(ready, asked("¿Qué mide la torre?"), context=limited(context, answer_tokens=99))).answer
    assert done.finish_reason == "length"
    assert inventor.asked["/v1/chat/completions"][0]["max_tokens"] == 99
    config = RunConfig(options={"max_tokens": 7})
    await run(ready, asked("¿Qué mide la torre?"), context=replace(context, config=config))
    assert inventor.asked["/v1/chat/completions"][-1]["max_tokens"] == 7


async def test_stump_of_a_cut_sentence_is_not_shown(ready, context, inventor) -> None:
    inventor.finish = "length"
    inventor.mind = lambda _: words("La torre de Valdemar mide 73 metros. La torre mide")
    done = (await run(ready, asked("¿Cuánto mide la torre?"), context=context)).answer
    assert done.answer == "La torre de Valdemar mide 73 metros. [1]"
    assert done.finish_reason == "length"


async def test_model_that_repeats_itself_is_stopped(ready, context, inventor) -> None:
    inventor.mind = lambda _: words("La torre de Valdemar mide 73 metros [1]. " * 500)
    done = (await run(ready, asked("¿Cuánto mide la torre?"), context=context)).answer
    assert done.answer == "La torre de Valdemar mide 73 metros [1]."
    assert (done.finish_reason, done.notes) == ("length", ["repetition"])


async def test_prompt_that_does_not_fit_is_asked_with_fewer_passages(ready, context, inventor) -> None:
    inventor.documents[4]["text"] = "El embalse contiene agua. " * 400
    inventor.holds_chars = 6_000
    events = [event async for event in stream(ready, asked("¿Qué altura mide la torre?"), context=context)]
    assert "73 metros" in ending(events).answer.answer
    assert ending(events).answer.notes == ["fewer_passages"]
    assert any(isinstance(event, Progress) and event.stage == "fewer_passages" for event in events)


async def test_loaded_model_answers_while_another_loads(ready, context, inventor) -> None:
    inventor.ready, inventor.loaded = False, ["extractive"]
    events = [event async for event in stream(ready, asked("¿Cuánto mide la torre?"), context=context)]
    routed = next(event for event in events if isinstance(event, Routed))
    assert routed.route.model == "extractive"
    assert "phi4_fast is loading: extractive answers meanwhile" in routed.route.reasons
    assert inventor.asked["/v1/route"][-1]["begin_load"] is True
    assert "73 metros" in ending(events).answer.answer
    assert ending(events).answer.notes == ["loading_fallback"]


async def test_who_waits_for_a_load_has_its_time_as_well(ready, context, inventor) -> None:
    inventor.ready, inventor.loaded = False, ["extractive"]
    waiting = replace(context, chat=Chat(while_loading="wait", deadline_s=100), load_wait_s=630)
    done = (await run(ready, asked("¿Qué mide la torre?"), context=waiting)).answer
    assert done.model == "phi4_fast"
    assert waiting.deadline_s == 730
    assert context.deadline_s == context.chat.deadline_s
