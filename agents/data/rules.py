"""Writes simple SQL without a model: count, group, aggregate, list. Pure; knows tables by their names alone.

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
_NUMERIC = ("int", "numeric", "real", "double", "float", "decimal")
_INNER = re.compile(r"hash|tenant|state|version|token|physical|in_graph")
_MOST = 20
_MOST_COLUMNS = 7
# Names of tables and columns are English; what a Spanish speaker calls the usual ones.
_CALLED = {
    "idioma": "language",
    "lengua": "language",
    "titulo": "title",
    "fecha": "updated_at",
    "tamano": "size",
    "correo": "email",
    "nombre": "name",
    "fuente": "source",
    "pasaje": "passages",
    "contacto": "leads",
    "usuario": "users",
    "coleccion": "collection",
}


def write(question: str, schema: list[Table]) -> Query | None:
    """SQL for a question that names a table of `schema`, or None."""
    folded = fold(question)
    asked = [_english(word) for word in _NAME.findall(folded)]
    table = next((one for one in schema if any(_alike(word, one["name"]) for word in asked)), None)
    if table is None:
        return None
    text = _select(folded, asked, table)
    return {"language": "sql", "text": text} if text else None


def _select(folded: str, asked: list[str], table: Table) -> str:
    name, where = _quote(table["name"]), _where(folded, table)
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


def _where(folded: str, table: Table) -> str:
    quoted = _QUOTED.search(folded)
    texts = [_quote(one["name"]) for one in table["columns"] if _type(one).startswith(("text", "char"))]
    if not quoted or not texts:
        return ""
    value = next(part for part in quoted.groups() if part).replace("'", "''")
    return " WHERE " + " OR ".join(f"lower({text}) = '{value}'" for text in texts)


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
