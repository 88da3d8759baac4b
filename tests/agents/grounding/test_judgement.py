import pytest

from agents.grounding.evidence import read_evidence
from agents.grounding.judgement import edit, judge
from tools.schema import Citation

pytestmark = pytest.mark.pure


def passage(n: int, title: str, text: str) -> Citation:
    return Citation(n=n, title=title, source=f"{n}.md", document_id=str(n), text=text)


EVIDENCE = read_evidence(
    [
        passage(
            1,
            "Modelos",
            "El servidor puede tener cargados tres modelos a la vez. "
            "Un modelo se descarga tras 300 segundos.",
        ),
        passage(2, "Puertos", "La API escucha en el puerto 5000. La pool escucha en el puerto 8082."),
        passage(3, "Ports", "The bridge listens on port 8000 and does not accept anonymous requests."),
        passage(4, "Madrid", "La capital del Estado es la villa de Madrid."),
        passage(
            5,
            "Constitución, artículo 18",
            "El domicilio es inviolable. "
            "Ninguna entrada o registro podrá hacerse en él sin consentimiento del titular.",
        ),
    ]
)


@pytest.mark.parametrize(
    ("sentence", "n"),
    [
        ("El servidor puede mantener cargados 3 modelos a la vez [1].", 1),
        ("Pueden estar cargados tres modelos a la vez en el servidor.", 1),
        ("Un modelo se descarga a los 5 minutos.", 1),
        ("La API escucha en el puerto 5000 y la pool en el 8082.", 2),
        ("La pool usa el puerto 8082 [2].", 2),
        ("Según los pasajes proporcionados, la API escucha en el puerto 5000.", 2),
        ("The bridge listens on port 8000.", 3),
        ("El bridge escucha en el puerto 8000.", 3),
        ("Anonymous requests are not accepted by the bridge.", 3),
        ("La villa de Madrid es la capital del Estado.", 4),
        ("Según el artículo 18, el domicilio es inviolable.", 5),
        ("No se puede entrar en el domicilio sin consentimiento del titular.", 5),
        ("The server may keep three models loaded at the same time.", 1),
    ],
)
def test_what_a_passage_says_is_supported_in_other_words_and_languages(sentence, n) -> None:
    judged = judge(sentence, EVIDENCE)
    assert (judged.kind, judged.supported) == ("claim", True)
    assert {span.n for span in judged.spans} == {n}


@pytest.mark.parametrize(
    "sentence",
    [
        "El servidor puede mantener cargados 6 modelos a la vez [1].",
        "Un modelo se descarga tras 300 horas.",
        "Un modelo no se descarga tras 300 segundos.",
        "La API escucha en el puerto 8082 [2].",
        "La pool escucha en el puerto 5000 [2].",
        "El pool escucha en el 5000.",
        "The bridge accepts anonymous requests.",
        "La capital del Estado es Barcelona.",
        "Barcelona es la capital del Estado.",
        "La capital de Francia es Madrid.",
        "La capital de Francia es París.",
        "El servidor usa Redis para guardar las sesiones.",
        "The server can have 6 models.",
        "Los gatos duermen de noche.",
        "El artículo 19 dice que el domicilio es inviolable.",
        "No sé, pero la capital de Francia es París.",
        "The passages do not mention it, which was built in 1889 by Eiffel.",
        "La API fue escrita en Python por Guido.",
        "Se puede entrar en el domicilio con una orden policial.",
        "El domicilio no es inviolable.",
    ],
)
def test_what_no_passage_says_is_not_supported(sentence) -> None:
    judged = judge(sentence, EVIDENCE)
    assert (judged.kind, judged.supported) == ("claim", False)


@pytest.mark.parametrize(
    "sentence",
    [
        "Los pasajes no contienen la respuesta.",
        "No se menciona el precio en los documentos.",
        "I do not know the answer.",
        "The passages do not say which port Redis uses.",
    ],
)
def test_refusal_states_nothing_of_its_own(sentence) -> None:
    assert judge(sentence, EVIDENCE, question="¿En qué puerto escucha Redis?").kind == "refusal"


@pytest.mark.parametrize(
    ("sentence", "mode", "shown"),
    [
        ("La pool escucha en el puerto 8082. ", "strict", "La pool escucha en el puerto 8082. [2] "),
        ("La pool escucha en el puerto 8082 [4]. ", "strict", "La pool escucha en el puerto 8082. [2] "),
        ("La pool escucha en el puerto 8082 [2]. ", "strict", "La pool escucha en el puerto 8082 [2]. "),
        ("La pool escucha en el 9999 [2].\n", "strict", ""),
        ("La pool escucha en el 9999 [2].\n", "mark", "La pool escucha en el 9999. [sin respaldo]\n"),
        ("La pool escucha en el 9999 [2].\n", "off", "La pool escucha en el 9999 [2].\n"),
        ("| pool | 8082 |\n", "strict", "| pool | 8082 [2] |\n"),
    ],
)
def test_supported_sentence_gets_its_mark_and_another_is_left_out_or_marked(sentence, mode, shown) -> None:
    assert edit(sentence, judge(sentence, EVIDENCE), mode, "es") == shown


def test_span_is_where_the_passage_says_it() -> None:
    (span,) = judge("La pool usa el puerto 8082.", EVIDENCE).spans
    text = EVIDENCE[1].text
    assert text[span.start : span.end] == "La pool escucha en el puerto 8082."


def test_words_that_lack_are_left_open_and_facts_that_disagree_are_not() -> None:
    assert judge("El servidor sostiene a la vez varios modelos grandes en marcha.", EVIDENCE).unclear
    assert not judge("El servidor sostiene a la vez 9 modelos grandes en marcha.", EVIDENCE).unclear
