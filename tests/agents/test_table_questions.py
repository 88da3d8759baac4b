import pytest

from agents.data import rules
from agents.data.chart import chart_of
from tools.clients.bridge import Table

pytestmark = pytest.mark.pure


def table(name: str, /, **columns: str) -> Table:
    return {
        "name": name,
        "kind": "table",
        "columns": [{"name": column, "type": kind} for column, kind in columns.items()],
    }


SCHEMA = [
    table("collections", tenant="text", name="text", version="bigint"),
    table(
        "documents",
        tenant="text",
        collection="text",
        id="text",
        title="text",
        language="text",
        size="integer",
    ),
    table("chunks", id="text", tenant="text", collection="text", document_id="text", position="integer"),
    table("jobs", id="text", collection="text", state="text", total="integer"),
]
HERE = " WHERE collection = 'leyes'"
JOINED = (
    "SELECT p.id, p.title, count(*) AS n FROM documents p JOIN chunks c ON c.document_id = p.id AND "
    "c.tenant = p.tenant AND c.collection = p.collection{where} GROUP BY p.id, p.title ORDER BY n {order} "
    "LIMIT {limit}"
)
JOINED_HERE = " WHERE p.collection = 'leyes'"

BY_PARENT = (
    "SELECT p.language, count(*) AS n FROM documents p JOIN chunks c ON c.document_id = p.id AND "
    "c.tenant = p.tenant AND c.collection = p.collection{where} GROUP BY 1 ORDER BY 2 DESC LIMIT 20"
)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("¿Cuántos documentos hay?", f"SELECT count(*) AS n FROM documents{HERE}"),
        ("How many documents are there?", f"SELECT count(*) AS n FROM documents{HERE}"),
        ("¿Cuántos documentos hay en todas las colecciones?", "SELECT count(*) AS n FROM documents"),
        ("How many documents are there in all collections?", "SELECT count(*) AS n FROM documents"),
        (
            "¿Cuántos documentos hay por colección?",
            "SELECT collection, count(*) AS n FROM documents GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
        ),
        (
            "¿Cuántos documentos hay por idioma?",
            f"SELECT language, count(*) AS n FROM documents{HERE} GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
        ),
        ("¿Cuántos pasajes hay?", f"SELECT count(*) AS n FROM chunks{HERE}"),
        ("How many passages are there?", f"SELECT count(*) AS n FROM chunks{HERE}"),
        ("¿Qué documento tiene más pasajes?", JOINED.format(where=JOINED_HERE, order="DESC", limit=1)),
        ("Which document has the most passages?", JOINED.format(where=JOINED_HERE, order="DESC", limit=1)),
        ("¿Qué documento tiene menos fragmentos?", JOINED.format(where=JOINED_HERE, order="ASC", limit=1)),
        ("¿Cuántos pasajes tiene cada documento?", JOINED.format(where=JOINED_HERE, order="DESC", limit=20)),
        ("Passages per document in all collections", JOINED.format(where="", order="DESC", limit=20)),
        ("¿Cuál es el tamaño máximo de los documentos?", f"SELECT max(size) AS max FROM documents{HERE}"),
        (
            "¿Cuántos trabajos hay por estado?",
            f"SELECT state, count(*) AS n FROM jobs{HERE} GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
        ),
        ("¿Cuántos pasajes hay por idioma?", BY_PARENT.format(where=JOINED_HERE)),
        ("How many passages are there by language in all collections?", BY_PARENT.format(where="")),
        ("¿Qué tiempo hace en Bilbao?", None),
    ],
)
def test_question_is_asked_of_its_own_collection(question, text) -> None:
    query = rules.write(question, SCHEMA, collection="leyes")
    assert (query and query["text"]) == text


def test_name_of_a_collection_can_not_leave_its_quotes() -> None:
    query = rules.write("¿Cuántos documentos hay?", SCHEMA, collection="a' OR 1=1")
    assert query is not None
    assert query["text"].endswith("WHERE collection = 'a'' OR 1=1'")


def test_series_has_a_chart_and_a_single_number_none() -> None:
    chart = chart_of({"columns": [{"name": "language"}, {"name": "n"}], "rows": [["es", 7], ["en", 5]]})
    assert chart is not None
    assert chart["data"]["values"] == [{"language": "es", "n": 7}, {"language": "en", "n": 5}]
    assert chart["encoding"]["x"]["field"] == "n"
    assert chart_of({"columns": ["n"], "rows": [[12]]}) is None
