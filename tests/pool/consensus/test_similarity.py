import pytest

from servers.pool.consensus.similarity import agreement, clusters, final_answer, similarity

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is (C).", "choice:c"),
        ("B", "choice:b"),
        ("La respuesta correcta es la B", "choice:b"),
        ("Respuesta: D", "choice:d"),
        ("42", "number:42"),
        ("After adding both, the answer is 42.", "number:42"),
        ("El resultado es 1.500", "number:1500"),
        ("son tres", "number:3"),
        ("\\boxed{7}", "number:7"),
        ("Sí", "truth:yes"),
        ("No.", "truth:no"),
    ],
)
def test_final_answer_is_found_and_normalised(text: str, answer: str) -> None:
    assert final_answer(text) == answer


def test_long_text_without_a_stated_answer_has_no_final_one() -> None:
    assert (
        final_answer(
            "La fotosíntesis convierte la luz del sol en energía química dentro de las hojas verdes."
        )
        is None
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("La respuesta es 42", "Son 42."),
        ("The answer is three", "3"),
        ("Option B", "B"),
        ("Paris", "paris."),
        (
            "El agua hierve a 100 grados al nivel del mar porque su presión de vapor iguala la atmosférica.",
            "Al nivel del mar, el agua hierve a 100 grados: la presión de vapor iguala a la atmosférica.",
        ),
        (
            "Use a context manager so that the file is always closed.",
            "You should open the file with a context manager: then it is always closed, even after an error.",
        ),
    ],
)
def test_same_meaning_in_other_words_agrees(one: str, other: str) -> None:
    assert similarity(one, other) >= 0.6


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("42", "43"),
        ("B", "C"),
        ("Sí", "No"),
        ("Madrid", "Lisboa"),
        (
            "El agua hierve a 100 grados al nivel del mar porque su presión iguala la atmosférica.",
            "El agua hierve a 60 grados al nivel del mar porque su presión iguala la atmosférica.",
        ),
        (
            "Sí, la batería se puede cargar de noche con el cargador del coche.",
            "No, la batería no se puede cargar de noche con el cargador del coche.",
        ),
        ("Hay que reiniciar el router y esperar.", "La causa es la tarjeta gráfica, que está rota."),
    ],
)
def test_contradiction_and_other_subject_do_not_agree(one: str, other: str) -> None:
    assert similarity(one, other) < 0.6


def test_clusters_put_the_largest_first() -> None:
    assert clusters({"a": "1", "b": "2", "c": "2"}, 0.6) == [["b", "c"], ["a"]]


def test_agreement_of_one_is_whole_and_of_opposites_none() -> None:
    assert agreement(["x"]) == 1.0
    assert agreement(["1", "2"]) == 0.0
