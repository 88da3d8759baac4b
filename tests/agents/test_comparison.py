import pytest

from agents.research.comparison import Comparison, read_comparison, table
from tools.schema import Citation

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("question", "subjects", "aspects"),
    [
        ("Compara la API y la pool", ("la API", "la pool"), ()),
        (
            "Compara Redis con Milvus en cuanto a memoria y velocidad",
            ("Redis", "Milvus"),
            ("memoria", "velocidad"),
        ),
        ("Compara el puerto de la API y el de la pool", ("la API", "la pool"), ("el puerto",)),
        (
            "Compara los puertos de la API, la pool y el bridge.",
            ("la API", "la pool", "el bridge"),
            ("los puertos",),
        ),
        ("¿Qué diferencia hay entre Milvus y Nebula?", ("Milvus", "Nebula"), ()),
        ("¿Cuáles son las diferencias entre HNSW e IVF según su coste?", ("HNSW", "IVF"), ("su coste",)),
        ("¿En qué se diferencian el agente de datos y el de investigación?", None, ()),
        ("Redis vs Valkey", ("Redis", "Valkey"), ()),
        ("¿Cuál es más rápido: Redis o PostgreSQL?", ("Redis", "PostgreSQL"), ("más rápido",)),
        ("Compare Redis and Milvus in terms of memory", ("Redis", "Milvus"), ("memory",)),
        ("Compare the ports of the API and the pool", ("the API", "the pool"), ("the ports",)),
        ("What is the difference between a thread and a run?", ("a thread", "a run"), ()),
        (
            "What are the differences between Milvus and Nebula in latency, size and price?",
            ("Milvus", "Nebula"),
            None,
        ),
        ("How does Redis differ from Valkey?", ("Redis", "Valkey"), ()),
        ("Which is faster, Redis or PostgreSQL?", ("Redis", "PostgreSQL"), ("faster",)),
        ("Milvus versus Nebula", ("Milvus", "Nebula"), ()),
    ],
)
def test_comparison_is_read_from_its_question(question, subjects, aspects) -> None:
    found = read_comparison(question)
    assert found is not None
    assert found.subjects == (subjects or ("el agente de datos", "investigación"))
    assert found.aspects == (("latency", "size", "price") if aspects is None else aspects)


@pytest.mark.parametrize(
    "question",
    [
        "¿Cuántos modelos puede tener cargados el servidor y en qué puerto escucha la API?",
        "¿Qué es la pool?",
        "Compara",
        "How does the router choose a model?",
    ],
)
def test_other_question_compares_nothing(question) -> None:
    assert read_comparison(question) is None


def test_each_cell_has_a_question_of_its_own() -> None:
    spanish = Comparison(("la API", "el bridge"), ("el puerto", "memoria"), "es")
    assert list(spanish.cells.values()) == [
        "¿Cuál es el puerto de la API?",
        "¿Cuál es el puerto del bridge?",
        "¿Qué memoria tiene la API?",
        "¿Qué memoria tiene el bridge?",
    ]
    english = Comparison(("Redis", "Milvus"), ("the port",), "en")
    assert list(english.cells.values()) == ["What is the port of Redis?", "What is the port of Milvus?"]


def test_table_cites_in_each_cell_and_says_what_was_not_found() -> None:
    sources = [
        Citation(n=1, title="Puertos", source="p", document_id="p", text="La API escucha en el puerto 5000."),
        Citation(n=2, title="Otro", source="o", document_id="o", text="La pool escucha en el puerto 8082."),
    ]
    comparison = Comparison(("la API", "la pool", "el bridge"), ("el puerto",), "es")
    drafts = {
        "¿Cuál es el puerto de la API?": "La API escucha en el puerto 5000. [1]",
        "¿Cuál es el puerto de la pool?": "La pool escucha\nen el puerto 8082. [2]",
        "¿Cuál es el puerto del bridge?": "La API escucha en el puerto 5000. [1]",
    }
    assert table(comparison, drafts, sources, "es") == (
        "| Aspecto | API | Pool | Bridge |\n| --- | --- | --- | --- |\n"
        "| Puerto | La API escucha en el puerto 5000. [1] | La pool escucha en el puerto 8082. [2] | "
        "no se ha encontrado |\n\nNo se ha encontrado: ¿Cuál es el puerto del bridge?"
    )
