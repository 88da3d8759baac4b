import pytest

from agents.answering.bounds import LEAST_TOKENS, answer_tokens, overflows, repeats, without_repeats
from agents.answering.reasoning import ReasoningSplitter
from agents.grounding.sentences import SentenceBuffer, split_sentences
from tools.errors import BadRequest

pytestmark = pytest.mark.pure
PROMPT = [{"role": "user", "content": "x" * 1_000}]


def split_reasoning(text: str, size: int) -> tuple[str, str]:
    splitter, said, thought = ReasoningSplitter(), "", ""
    parts = [splitter.feed(text[at : at + size]) for at in range(0, len(text), size)]
    for part in [*parts, splitter.end()]:
        said, thought = said + part.said, thought + part.thought
    return said, thought


@pytest.mark.parametrize("size", [1, 3, 1_000])
@pytest.mark.parametrize(
    ("text", "said", "thought"),
    [
        ("<think>secreto</think>\n\nTres.", "Tres.", "secreto"),
        ("\n<think>a < b</think>Sí", "Sí", "a < b"),
        ("Tres.", "Tres.", ""),
        ("<think>solo pienso", "", "solo pienso"),
        ("La marca <think> abre.", "La marca <think> abre.", ""),
        ("<b>x</b>", "<b>x</b>", ""),
    ],
)
def test_what_a_model_thinks_is_kept_apart_however_it_is_cut(text, said, thought, size) -> None:
    assert split_reasoning(text, size) == (said, thought)


def test_answer_is_bounded_by_caller_settings_and_window() -> None:
    assert answer_tokens({}, PROMPT, most=500, window=None, ratio=2.5) == 500
    assert answer_tokens({"max_tokens": 9}, PROMPT, most=500, window=None, ratio=2.5) == 9
    assert answer_tokens({}, PROMPT, most=500, window=600, ratio=2.5) == 600 - 404
    assert answer_tokens({}, PROMPT, most=500, window=100, ratio=2.5) == LEAST_TOKENS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("El servidor. " + "Es así, y así es otra vez más. " * 8, True),
        ("y " * 200, True),
        ("| a | b |\n|---|---|\n" + "| - | - |\n" * 8, False),
        ("0" * 400, False),
        ("Uno dos tres. Cuatro cinco seis. " * 2, False),
        ("-" * 300, False),
    ],
)
def test_repetition_is_told_from_a_table_or_a_refrain(text, found) -> None:
    assert repeats(text) is found


def test_what_repeats_is_said_once() -> None:
    assert without_repeats("Hola. " + "Es así siempre. " * 12) == "Hola. Es así siempre. "


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "The prompt is too long: 9000 tokens",
        "the request exceeds the available context size",
    ],
)
def test_prompt_that_does_not_fit_is_recognised(message) -> None:
    assert overflows(BadRequest(message))
    assert not overflows(BadRequest("tools are not supported"))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Uno [1]. Dos. [2] Tres", 3),
        ("El art. 18 y el Sr. Gil. Otro, EE. UU. dice. Fin", 3),
        ("- a\n- b\n\nc", 3),
        ("```\nx. Y\nz. W\n```\nfin", 2),
        ("Vale 3.5 euros. ¿Sí? No", 3),
    ],
)
def test_sentences_take_their_marks_and_join_to_the_text(text, count) -> None:
    found = split_sentences(text)
    assert "".join(one.text for one in found) == text
    assert len(found) == count
    for size in (1, 4):
        buffer, parts = SentenceBuffer(), list[str]()
        for at in range(0, len(text), size):
            parts += buffer.feed(text[at : at + size])
        assert parts + buffer.end() == [one.text for one in found]
