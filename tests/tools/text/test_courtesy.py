import pytest

from tools.text.courtesy import without_courtesy

pytestmark = pytest.mark.pure

ASK = "Compare these two contracts"
PREGUNTA = "¿Cuánto tarda el tren a Vigo?"


@pytest.mark.parametrize(
    "wrapped",
    [
        f"Hi there! Hope you're doing well. {ASK}",
        f"Good morning,\n\n{ASK}\n\nThanks a lot in advance for your help!\nBest regards",
        f"Sorry if this is a dumb question but {ASK} pls",
        f"Hello. If it's not too much trouble, {ASK}. Whenever you can, no rush :)",
    ],
)
def test_courtesy_around_an_english_ask_is_cut(wrapped: str) -> None:
    assert without_courtesy(wrapped).rstrip(".") == ASK


@pytest.mark.parametrize(
    "wrapped",
    [
        f"Buenas tardes, ¿qué tal? {PREGUNTA}",
        f"Perdona la molestia, pero {PREGUNTA} Mil gracias de antemano, un saludo.",
        f"Estimado asistente:\n\n{PREGUNTA}\n\nQuedo a la espera. Atentamente",
        f"oye si tienes un ratito {PREGUNTA} porfa",
    ],
)
def test_courtesy_around_a_spanish_ask_is_cut(wrapped: str) -> None:
    assert without_courtesy(wrapped) == PREGUNTA


@pytest.mark.parametrize(
    "text",
    [
        "hola",
        "¡Muchas gracias, muy amable!",
        "how are you?",
        "help",
        "what's the best time?",
        "Hello world in Rust",
        "Traduce al alemán: muchas gracias",
        "Is it possible to divide by zero?",
        "Write a thank-you letter to my team. Keep it short.",
        "",
        "?!",
    ],
)
def test_what_is_asked_itself_is_kept(text: str) -> None:
    assert without_courtesy(text) == text


def test_ask_between_courtesies_that_names_no_topic_is_kept() -> None:
    assert without_courtesy("Hi, what time is it? Thanks!") == "what time is it?"
