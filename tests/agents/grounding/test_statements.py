import pytest

from agents.grounding.evidence import read_evidence
from agents.grounding.judgement import judge
from tools.schema import Citation

pytestmark = pytest.mark.pure

TOWER = "La torre de Valdemar mide 73 metros de altura. Se ve desde el puerto."
EVIDENCE = read_evidence([Citation(n=1, title="Torre", source="t.md", document_id="t", text=TOWER)])
QUESTION = "¿Quién diseñó la fachada de la torre de Valdemar?"


@pytest.mark.parametrize(
    "sentence",
    [
        "Los pasajes no lo dicen, lo diseñó un artesano del barrio de pescadores.",
        "The passages do not mention that a local guild of weavers built the whole facade by hand.",
        "¿Sabías que lo levantó en secreto una cofradía de marineros vascos?",
        "# Lo más importante de su historia secreta",
        "Pertenece desde siempre a una familia noble, y estos son sus dueños:",
        "La fachada de la torre de Valdemar la diseñó un artesano.",
        "Alguien diseñó la fachada de la torre de Valdemar.",
    ],
)
def test_invention_dressed_as_refusal_question_or_heading_is_a_claim_without_support(sentence) -> None:
    judged = judge(sentence, EVIDENCE, question=QUESTION)
    assert (judged.kind, judged.supported) == ("claim", False)


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("Los pasajes no dicen quién diseñó la fachada de la torre de Valdemar.", "refusal"),
        ("Lamentablemente, los documentos no contienen información sobre la fachada.", "refusal"),
        ("The passages provided do not say who designed the facade.", "refusal"),
        ("No se menciona a ningún arquitecto en los pasajes.", "refusal"),
        ("# La torre y su fachada", "other"),
        ("Estos son los puntos principales:", "other"),
        ("Here is a summary of the passages:", "other"),
        ("¿Quién diseñó la fachada de la torre de Valdemar?", "other"),
        ("Quién diseñó la fachada de la torre.", "other"),
    ],
)
def test_what_states_nothing_needs_no_support(sentence, kind) -> None:
    judged = judge(sentence, EVIDENCE, question=QUESTION)
    assert (judged.kind, judged.supported) == (kind, True)


def test_question_that_is_said_back_is_supported_only_where_a_passage_says_all_of_it() -> None:
    question = "¿La torre de Valdemar mide 73 metros de altura?"
    assert judge("Sí, la torre de Valdemar mide 73 metros.", EVIDENCE, question=question).supported
    question = "¿La torre de Valdemar mide 73 metros de altura y pesa mucho?"
    assert not judge(
        "La torre de Valdemar pesa mucho y mide 73 metros.", EVIDENCE, question=question
    ).supported


def test_bare_name_or_number_is_supported_only_where_the_question_is_answered() -> None:
    text = "La torre de Valdemar mide 73 metros. El puente de Orbaiz lo dirigió Marta Rius durante 12 años."
    evidence = read_evidence([Citation(n=1, title="Obras", source="o.md", document_id="o", text=text)])
    assert judge("73 metros", evidence, question="¿Cuánto mide la torre de Valdemar?").supported
    assert judge("Marta Rius [1]", evidence, question="¿Quién dirigió el puente de Orbaiz?").supported
    assert not judge("Marta Rius [1]", evidence, question="¿Quién pintó la torre de Valdemar?").supported
    assert not judge("12 años", evidence, question="¿Cuánto tardó la torre de Valdemar?").supported
