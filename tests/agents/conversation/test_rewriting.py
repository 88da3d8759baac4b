import pytest

from agents.conversation.rewriting import rewrite

pytestmark = pytest.mark.pure

PORT = ("¿En qué puerto escucha la API?", "La API escucha en el puerto 5000. [1]")
MODELS = ("¿Cuántos modelos puede tener cargados a la vez el servidor?", "Tres. [1]")
CAPITAL = ("¿Cuál es la capital de Francia?", "La capital de Francia es París. [1]")
INSTALL = ("¿Cómo instalo Redis?", "Con apt. [1]")
ENGLISH_CAPITAL = ("What is the capital of France?", "The capital of France is Paris. [1]")
ENGLISH_PORT = ("Which port does the bridge listen on?", "The bridge listens on port 8000. [2]")
COUNT = ("¿Cuántos documentos hay?", "12")
ENGLISH_COUNT = ("How many documents are there?", "12")
MOST = ("¿Qué documento tiene más pasajes?", "Modelos")
ENGLISH_MOST = ("Which document has the most passages?", "Models")
COMPARED = ("Compara el puerto de la API y la pool", "| Aspecto | API | Pool |")
DIFFERENCE = ("What is the difference between the API and the pool regarding ports?", "| Aspect |")


def talk(*turns: tuple[str, str]) -> list[dict]:
    roles = ("user", "assistant")
    return [{"role": role, "content": text} for turn in turns for role, text in zip(roles, turn, strict=True)]


@pytest.mark.parametrize(
    ("before", "follow_up", "question"),
    [
        (PORT, "¿Y la pool?", "¿En qué puerto escucha la pool?"),
        (PORT, "¿por qué?", "¿Por qué la API escucha en el puerto 5000?"),
        (PORT, "¿y cuál es su clave?", "¿Cuál es la clave de la API?"),
        (PORT, "¿Se puede cambiarlo?", "¿Se puede cambiar la API?"),
        (MODELS, "¿y en Docker?", "¿Cuántos modelos puede tener cargados a la vez el servidor en Docker?"),
        (CAPITAL, "¿y de Italia?", "¿Cuál es la capital de Italia?"),
        (CAPITAL, "¿y Alemania?", "¿Cuál es la capital de Alemania?"),
        (CAPITAL, "¿Cuántos habitantes tiene?", "¿Cuántos habitantes tiene la capital de Francia?"),
        (CAPITAL, "¿y cuántos habitantes tiene?", "¿Cuántos habitantes tiene la capital de Francia?"),
        (CAPITAL, "¿y su alcalde?", "¿Cuál es el alcalde de la capital de Francia?"),
        (CAPITAL, "¿quién la fundó?", "¿quién fundó la capital de Francia?"),
        (INSTALL, "¿y Milvus?", "¿Cómo instalo Milvus?"),
        (INSTALL, "¿Cómo lo desinstalo?", "¿Cómo desinstalo Redis?"),
        (("¿Qué es HNSW?", "HNSW es un índice vectorial. [1]"), "¿para qué sirve?", "¿para qué sirve HNSW?"),
        (ENGLISH_CAPITAL, "And Italy?", "What is the capital of Italy?"),
        (ENGLISH_CAPITAL, "what about Spain?", "What is the capital of Spain?"),
        (ENGLISH_CAPITAL, "How old is it?", "How old is the capital of France?"),
        (ENGLISH_CAPITAL, "and its mayor?", "What is the mayor of the capital of France?"),
        (ENGLISH_CAPITAL, "Why?", "Why the capital of France is Paris?"),
        (ENGLISH_PORT, "and the pool?", "Which port does the pool listen on?"),
        (ENGLISH_PORT, "Who wrote it?", "Who wrote the bridge?"),
        (ENGLISH_PORT, "What does it cost?", "What does the bridge cost?"),
        (COUNT, "¿Y pasajes?", "¿Cuántos pasajes hay?"),
        (COUNT, "¿y por idioma?", "¿Cuántos documentos hay por idioma?"),
        (ENGLISH_COUNT, "what about jobs?", "How many jobs are there?"),
        (MOST, "¿Y menos?", "¿Qué documento tiene menos pasajes?"),
        (MOST, "¿y el que menos?", "¿Qué documento tiene menos pasajes?"),
        (ENGLISH_MOST, "And the fewest?", "Which document has the fewest passages?"),
        (COMPARED, "¿Y el bridge?", "Compara el puerto de la API, la pool y el bridge"),
        (COMPARED, "¿y con el bridge?", "Compara el puerto de la API, la pool y el bridge"),
        (COMPARED, "¿y en cuanto al idioma?", "Compara el puerto de la API y la pool en cuanto al idioma"),
        (
            DIFFERENCE,
            "and the bridge?",
            "What is the difference between the API, the pool and the bridge regarding ports?",
        ),
    ],
)
def test_follow_up_stands_alone(before, follow_up, question) -> None:
    alone = rewrite(follow_up, talk(before))
    assert (alone.question, alone.query) == (question, question)


@pytest.mark.parametrize(
    ("before", "follow_up", "language"),
    [
        (PORT, "¿y en inglés?", "en"),
        (CAPITAL, "dilo en inglés", "en"),
        (ENGLISH_CAPITAL, "in Spanish, please", "es"),
        (ENGLISH_PORT, "¿y en español?", "es"),
    ],
)
def test_other_language_is_the_question_before_in_it(before, follow_up, language) -> None:
    alone = rewrite(follow_up, talk(before))
    assert (alone.query, alone.language, alone.kind) == (before[0], language, "language")


@pytest.mark.parametrize(
    ("before", "follow_up"),
    [
        (PORT, "¿y en orden inverso?"),
        (CAPITAL, "más corto"),
        (ENGLISH_PORT, "shorter"),
        (ENGLISH_PORT, "in reverse order"),
    ],
)
def test_wish_about_the_answer_searches_what_was_asked(before, follow_up) -> None:
    alone = rewrite(follow_up, talk(before))
    assert (alone.query, alone.kind) == (before[0], "instruction")
    assert follow_up.strip("¿?") in alone.question


def test_chain_of_follow_ups_is_read_from_its_beginning() -> None:
    alone = rewrite("¿y en inglés?", talk(PORT, ("¿y la pool?", "En el 8082. [2]"), ("gracias", "¡De nada!")))
    assert alone.query == "¿En qué puerto escucha la pool?"
    assert alone.language == "en"


@pytest.mark.parametrize(
    "question",
    [
        "¿Qué modelos hay en el catálogo por defecto?",
        "¿Qué modelos hay?",
        "¿Cuáles son los modelos?",
        "¿Cuál es la capital de España y su población?",
        "Does the API need a key to use it?",
        "Which is the model that answers?",
        "gracias",
    ],
)
def test_question_that_stands_alone_stays_as_it_is(question) -> None:
    assert rewrite(question, talk(PORT)).question == question
    assert rewrite(question, []).question == question
