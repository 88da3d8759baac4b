import pytest

from agents.answerability.decision import decline, judge, load_weights, support_of, unanswered
from tools.schema import Hit, JsonObject, Language

pytestmark = pytest.mark.pure

MODELS = "El servidor de modelos puede tener como máximo tres modelos cargados a la vez."
VOICE = "El servidor de voz convierte texto en audio. Las voces incluidas son de espeak."
COPIES = "El flujo de copias se ejecuta cada noche a las 2:00 y conserva siete copias."


def hits(*scores: tuple[float, float], rerank: float | None = None) -> list[Hit]:
    """One hit a text, with its cosine and its BM25."""
    legs: list[dict[str, JsonObject]] = [
        {"dense": {"rank": n, "score": cosine}, "text": {"rank": n, "score": -bm25}}
        for n, (cosine, bm25) in enumerate(scores, 1)
    ]
    if rerank is not None:
        legs[0]["rerank"] = {"rank": 1, "score": rerank}
    texts = [MODELS, VOICE, COPIES][: len(scores)]
    return [
        Hit(id=str(n), document_id=str(n), title=f"Texto {n}", text=text, score=0.5, legs=found)
        for n, (text, found) in enumerate(zip(texts, legs, strict=True), 1)
    ]


NEAR = hits((0.82, 14.0), (0.74, 5.0), (0.73, 2.0))
FAR = hits((0.69, 2.0), (0.685, 1.9), (0.68, 1.0))


def test_question_whose_passage_is_there_is_answered() -> None:
    judged = judge("¿Cuántos modelos puede tener cargados a la vez el servidor?", NEAR, language="es")
    assert judged.verdict == "answer"
    assert judged.support > 0.9
    assert judged.reason == "«Texto 1» dice lo que se pregunta"


@pytest.mark.parametrize(
    ("question", "language", "reason"),
    [
        ("¿Cuál es la capital de Francia?", "es", "ningún pasaje habla de: «capital», «Francia»"),
        ("Who invented the telephone?", "en", "no passage speaks of: «invented», «telephone»"),
    ],
)
def test_question_of_another_matter_is_refused_and_told_why(
    question: str, language: Language, reason: str
) -> None:
    judged = judge(question, FAR, language=language)
    assert (judged.verdict, judged.reason) == ("refuse", reason)
    assert judged.support < 0.2
    assert reason.lower() in unanswered(judged, language).lower()
    assert ">" not in unanswered(judged, language)


def test_nearest_passage_is_shown_as_what_was_not_asked() -> None:
    scores = hits((0.70, 4.0), (0.695, 3.9), (0.69, 2.0))
    judged = judge("¿Cuándo se instaló el servidor de voz?", scores, language="es")
    assert judged.verdict == "near"
    said = unanswered(judged, "es")
    assert "no contienen la respuesta" in said
    assert "> El servidor de voz convierte texto en audio." in said
    assert "[" not in said


def test_better_scores_never_lower_the_support() -> None:
    question = "¿Qué conserva el flujo de copias cada noche?"
    worse = judge(question, hits((0.70, 3.0), (0.69, 2.9), (0.685, 2.8)), language="es")
    better = judge(question, hits((0.80, 9.0), (0.69, 2.9), (0.685, 2.8)), language="es")
    assert better.support > worse.support


def test_cosines_of_another_embedder_are_left_out_not_misread() -> None:
    question = "¿Cuántos modelos puede tener cargados a la vez el servidor?"
    known = judge(question, hits((0.62, 14.0), (0.2, 5.0), (0.1, 2.0)), language="es")
    other = judge(
        question, hits((0.62, 14.0), (0.2, 5.0), (0.1, 2.0)), language="es", embedder="minilm-l6-v2"
    )
    assert other.verdict == "answer"
    assert other.support != known.support


def test_search_whose_text_leg_is_down_still_answers() -> None:
    dense = [hit.model_copy(update={"legs": {"dense": hit.legs["dense"]}}) for hit in NEAR]
    question = "¿Cuántos modelos puede tener cargados a la vez el servidor?"
    assert judge(question, dense, language="es").verdict == "answer"


def test_reranking_model_joins_where_one_was_asked() -> None:
    question = "¿Cuántos idiomas distintos habla el servidor de voz por teléfono?"
    scores = ((0.845, 6.0), (0.84, 5.0), (0.82, 2.0))
    without = judge(question, hits(*scores), language="es").support
    assert judge(question, hits(*scores, rerank=1.0), language="es").support > without


def test_nothing_found_is_said_as_such() -> None:
    judged = judge("¿Qué es Milvus?", [], language="es")
    assert (judged.support, judged.verdict) == (0.0, "refuse")
    assert unanswered(judged, "es").startswith("No he encontrado nada")


def test_question_that_was_not_searched_is_never_declined() -> None:
    assert decline({}, "es") == ""


def test_every_signal_that_is_weighed_has_a_value_to_stand_in_for_it() -> None:
    weights = load_weights()
    assert (weights["scores"].keys() | weights["words"].keys()) - {"bias"} <= weights["means"].keys()
    assert 0 < support_of({"coverage": 1.0}) < 1


ROWS = (
    "| Topic | Period | Page |\n|---|---|---|\n| Mobile churn | To June 2023 | 11 |\n"
    "| Tariffs | To June 2023 | 12 |"
)
NOTES = "These notes say when the figures of the pack were published. They are of November 2015."


def table_hits() -> list[Hit]:
    """A table whose cosine is low, as those of tables are, and two passages of prose; by title."""
    scores = [(0.69, 5.0), (0.685, 4.0), (0.68, 3.9)]
    texts = [("Churn", ROWS), ("Churn", NOTES), ("Copias", COPIES)]
    return [
        Hit(
            id=str(n),
            document_id=title,
            title=title,
            text=text,
            score=0.5,
            legs={"dense": {"rank": n, "score": dense}, "text": {"rank": n, "score": -bm25}},
        )
        for n, ((title, text), (dense, bm25)) in enumerate(zip(texts, scores, strict=True), 1)
    ]


@pytest.mark.parametrize(
    "question",
    [
        "On which page of the spreadsheet is mobile churn?",
        "In the Excel file, on which page is mobile churn in November 2015?",
    ],
)
def test_a_table_is_not_refused_for_its_low_cosines(question: str) -> None:
    judged = judge(question, table_hits(), language="en")
    assert (judged.verdict, judged.quote) == ("answer", "Topic: Mobile churn; Period: To June 2023; Page: 11")


def test_a_table_that_speaks_of_something_else_is_no_answer() -> None:
    for question in ("On which page of the spreadsheet is broadband revenue?", "Who runs the Lisbon office?"):
        assert judge(question, table_hits(), language="en").verdict != "answer"


def test_a_word_for_the_document_is_not_missing_unless_it_is_quoted() -> None:
    judged = judge("What does the PDF say about giraffes?", FAR, language="en")
    assert judged.reason == "no passage speaks of: «giraffes»"
    judged = judge("What does “PDF giraffes” mean?", FAR, language="en")
    assert judged.reason == "no passage speaks of: «PDF», «giraffes», «mean»"
