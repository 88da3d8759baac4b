"""Writes simple SQL without a model: count, group, aggregate, list, which has most. Pure; knows tables by
names alone.

Of a table with collections only the one that is asked in is read, unless the question asks for all of them.

It writes nothing when no table of the schema is named in the question: a wrong query is worse than none.
"""

import re

from agents.data.state import Query
from tools.clients.bridge import Column, Table
from tools.text.language import detect
from tools.text.words import fold, root

_NAME = re.compile(r"\w+(?:[.,]\d+)*")
"""Words of which a table may be the name: unlike those of a text they keep their underscores."""
_COUNT = re.compile(r"\b(cuant[oa]s|how many|numero de|number of|count)\b")
_LIST = re.compile(
    r"\b(lista|listame|muestra|muestrame|cuales|ensename|list|show|which|ultim[oa]s|latest|last)\b"
)
_GROUP = re.compile(r"\b(?:por|segun|by|per)\s+(?:cada\s+)?(\w+)")
_FIGURES = {
    "max": re.compile(r"\b(maxim[oa]|mayor|mas alt[oa]|max|maximum|largest|highest|biggest)\b"),
    "min": re.compile(r"\b(minim[oa]|menor|mas baj[oa]|min|minimum|smallest|lowest)\b"),
    "avg": re.compile(r"\b(media|promedio|average|mean|avg)\b"),
    "sum": re.compile(r"\b(suma|total|sum)\b"),
}
_QUOTED = re.compile(r"\"([^\"]{1,80})\"|«([^»]{1,80})»|“([^”]{1,80})”")
_MOST_OF = re.compile(r"\b(?:mas|mayor|most|(?P<fewest>menos|menor|fewest|least))\b")
_EACH = re.compile(r"\b(?:cada|por|each|per|every)\b")
_ALL = re.compile(
    r"\b(?:todas las colecciones|en total|cada coleccion|por coleccion|all collections|in all|by collection|"
    r"per collection|each collection)\b"
)
_NUMERIC = ("int", "numeric", "real", "double", "float", "decimal")
_INNER = re.compile(r"hash|tenant|state|version|token|physical|in_graph")
_MOST = 20
_MOST_COLUMNS = 7
# Names of tables and columns are English; what a Spanish speaker calls the usual ones.
_CALLED = {
    "estado": "state",
    "idioma": "language",
    "lengua": "language",
    "titulo": "title",
    "fecha": "updated_at",
    "tamano": "size",
    "correo": "email",
    "nombre": "name",
    "fuente": "source",
    "pasaje": "chunks",
    "passage": "chunks",
    "fragmento": "chunks",
    "trabajo": "jobs",
    "contacto": "leads",
    "usuario": "users",
    "coleccion": "collection",
}


def write(question: str, schema: list[Table], collection: str | None = None) -> Query | None:
    """SQL for a question that names a table of `schema`, or None; it is asked in `collection`."""
    folded = fold(question)
    asked = [_english(word) for word in _NAME.findall(folded)]
    named = [table for word in asked for table in schema if _alike(word, table["name"])]
    if not named:
        return None
    within = None if _ALL.search(folded) else collection
    table = _first(named, schema)
    text = _most(folded, named, within) or _select(folded, asked, table, within)
    text = _grouped_by_parent(folded, table, schema, within) or text
    return {"language": "sql", "text": text} if text else None


def _first(named: list[Table], schema: list[Table]) -> Table:
    """Of the tables that a question names the first of the schema; what is counted comes before what it is
    of."""
    return min(named, key=schema.index) if len({table["name"] for table in named}) < 2 else named[0]


def _most(folded: str, named: list[Table], collection: str | None) -> str:
    """Which row of one table has most, or fewest, rows of another that points to it."""
    ranked = _MOST_OF.search(folded)
    pairs = [(one, other) for one in named for other in named if _reference(one) in _names(other)]
    if not pairs or not (ranked or _EACH.search(folded)):
        return ""
    parent, child = pairs[0]
    on, keys = _joined(parent, child)
    shown = [f"p.{name}" for name in ("id", "title", "name") if name in _names(parent)][:2]
    where = f" WHERE p.collection = {_literal(collection)}" if collection and "collection" in keys else ""
    order = "ASC" if ranked and ranked["fewest"] else "DESC"
    limit = 1 if ranked and re.search(r"\b(?:que|cual|which|what)\b", folded) else _MOST
    return (
        f"SELECT {', '.join(shown)}, count(*) AS n FROM {_quote(parent['name'])} p "
        f"JOIN {_quote(child['name'])} c ON {on}{where} GROUP BY {', '.join(shown)} ORDER BY n {order} "
        f"LIMIT {limit}"
    )


def _grouped_by_parent(folded: str, table: Table, schema: list[Table], collection: str | None) -> str:
    """Rows of a table counted by a column that it lacks, and the table that it points to has."""
    group = _GROUP.search(folded)
    if group is None or _column(group[1], table) or not (_COUNT.search(folded) or _EACH.search(folded)):
        return ""
    for parent in schema:
        column = _column(group[1], parent)
        if column and _reference(parent) in _names(table):
            on, keys = _joined(parent, table)
            where = (
                f" WHERE p.collection = {_literal(collection)}" if collection and "collection" in keys else ""
            )
            return (
                f"SELECT p.{column}, count(*) AS n FROM {_quote(parent['name'])} p JOIN "
                f"{_quote(table['name'])} c ON {on}{where} GROUP BY 1 ORDER BY 2 DESC LIMIT {_MOST}"
            )
    return ""


def _joined(parent: Table, child: Table) -> tuple[str, list[str]]:
    """On what a row of one table belongs to a row of the other, and the keys that both share."""
    keys = [name for name in ("tenant", "collection") if name in _names(parent) and name in _names(child)]
    return " AND ".join([f"c.{_reference(parent)} = p.id", *(f"c.{key} = p.{key}" for key in keys)]), keys


def _reference(table: Table) -> str:
    """The column by which other tables point to a row of this one: `document_id` for `documents`."""
    return f"{table['name'].rsplit('.', 1)[-1].removesuffix('s')}_id"


def _names(table: Table) -> list[str]:
    return [one["name"] for one in table["columns"]]


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _select(folded: str, asked: list[str], table: Table, collection: str | None) -> str:
    name, where = _quote(table["name"]), _where(folded, table, collection)
    group = _GROUP.search(folded)
    column = _column(group[1], table) if group else None
    if column:
        return f"SELECT {column}, count(*) AS n FROM {name}{where} GROUP BY 1 ORDER BY 2 DESC LIMIT {_MOST}"
    if _COUNT.search(folded):
        return f"SELECT count(*) AS n FROM {name}{where}"
    for function, pattern in _FIGURES.items():
        figure = _numeric(asked, table) if pattern.search(folded) else None
        if figure:
            return f"SELECT {function}({figure}) AS {function} FROM {name}{where}"
    if _LIST.search(folded):
        return f"SELECT {_readable(table)} FROM {name}{where}{_newest(table)} LIMIT {_limit(asked)}"
    return ""


def _where(folded: str, table: Table, collection: str | None) -> str:
    quoted = _QUOTED.search(folded)
    texts = [_quote(one["name"]) for one in table["columns"] if _type(one).startswith(("text", "char"))]
    parts: list[str] = []
    if collection is not None and "collection" in _names(table):
        parts.append(f"collection = {_literal(collection)}")
    if quoted and texts:
        value = _literal(next(part for part in quoted.groups() if part))
        anywhere = " OR ".join(f"lower({text}) = {value}" for text in texts)
        parts.append(f"({anywhere})" if parts and len(texts) > 1 else anywhere)
    return " WHERE " + " AND ".join(parts) if parts else ""


def _column(word: str, table: Table) -> str | None:
    wanted = _english(word)
    return next((_quote(one["name"]) for one in table["columns"] if _alike(wanted, one["name"])), None)


def _numeric(asked: list[str], table: Table) -> str | None:
    numbers = [one for one in table["columns"] if any(kind in _type(one) for kind in _NUMERIC)]
    named = [one for one in numbers if any(_alike(word, one["name"]) for word in asked)]
    return _quote((named or numbers)[0]["name"]) if named or len(numbers) == 1 else None


def _readable(table: Table) -> str:
    """The columns that say something to a person; all of them when none does."""
    names = [
        one["name"] for one in table["columns"] if not _INNER.search(one["name"]) and "json" not in _type(one)
    ]
    return ", ".join(_quote(name) for name in names[:_MOST_COLUMNS]) or "*"


def _newest(table: Table) -> str:
    times = [one["name"] for one in table["columns"] if "time" in _type(one) or _type(one) == "date"]
    return f" ORDER BY {_quote(times[-1])} DESC" if times else ""


def _limit(asked: list[str]) -> int:
    numbers = [int(word) for word in asked if word.isdigit()]
    return max(1, min(numbers[0], 100)) if numbers else _MOST


def _english(word: str) -> str:
    singular = root(word, "es")
    return next((name for called, name in _CALLED.items() if root(called, "es") == singular), word)


def _alike(word: str, name: str) -> bool:
    """`documentos` is `documents`; `leads` is `lead`; short words must be the same."""
    plain = name.rsplit(".", 1)[-1].lower()
    if root(word, detect(word, default="en")) == root(plain, "en") or word == plain:
        return True
    shared = next((at for at, (one, other) in enumerate(zip(word, plain, strict=False)) if one != other), 99)
    return min(shared, len(word), len(plain)) >= 5


def _type(column: Column) -> str:
    return str(column.get("type", "")).lower()


def _quote(name: str) -> str:
    return ".".join(
        part if re.fullmatch(r"[a-z_][a-z0-9_]*", part) else '"' + part.replace('"', '""') + '"'
        for part in name.split(".")
    )
