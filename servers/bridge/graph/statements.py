"""The nGQL of a collection's graph: its schema, the ids of its vertices, and statements that insert passages.

Pure: nothing is run here. `knowledge_graph` writes, `subgraph` reads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from servers.bridge.clients import tenants
from servers.bridge.clients.nebula.client import quoted
from servers.bridge.text.entities import entities
from servers.bridge.text.title_names import vertex

SCHEMA = (
    "CREATE TAG IF NOT EXISTS document(title string, source string)",
    "CREATE TAG IF NOT EXISTS chunk(document string, position int)",
    "CREATE TAG IF NOT EXISTS entity(name string, mentioned int DEFAULT 0)",
    "CREATE TAG IF NOT EXISTS thing(name string)",
    "CREATE EDGE IF NOT EXISTS about()",
    "CREATE EDGE IF NOT EXISTS mentions()",
    "CREATE EDGE IF NOT EXISTS names(weight double)",
    "CREATE EDGE IF NOT EXISTS related(relation string, chunk string, extractor string)",
    "CREATE EDGE IF NOT EXISTS part_of()",
    "CREATE EDGE IF NOT EXISTS next()",
    "CREATE EDGE IF NOT EXISTS leaving()",
)
ENDPOINTS = "src(edge) AS c, dst(edge) AS e"
BATCH = 200
"""Values of one statement: some 20 kB of ids, far below NebulaGraph's 4 MB (`max_allowed_query_size`)."""


@dataclass(frozen=True)
class Passage:
    """What the graph needs of one chunk; `name` is its title's, `mentions` are other titles in its text."""

    id: str
    document_id: str
    title: str
    source: str
    heading: str
    text: str
    position: int
    name: str = ""
    mentions: frozenset[str] = field(default_factory=frozenset)


def insert_statements(passages: Sequence[Passage], mentions: Sequence[tuple[str, str]]) -> Iterable[str]:
    """INSERTs of `passages` and of `(passage id, name)` pairs, `BATCH` values each. Edges come before the
    names of what they reach: `KnowledgeGraph.sweep` relies on it."""
    weights_of = {item.id: entities(item.title, item.heading, item.text) for item in passages}
    documents = {item.document_id: item for item in passages}
    things = sorted({name for weights in weights_of.values() for name in weights})
    mentioned = [*mentions, *((item.id, name) for item in passages for name in sorted(item.mentions))]
    values = {
        "VERTEX document(title, source)": [
            f"{quoted(document_vertex(key))}:({quoted(item.title)}, {quoted(item.source)})"
            for key, item in documents.items()
        ],
        "VERTEX chunk(document, position)": [
            f"{quoted(item.id)}:({quoted(item.document_id)}, {item.position})" for item in passages
        ],
        "EDGE about()": [edge(item.id, vertex(item.name)) for item in passages if item.name],
        "EDGE mentions()": [edge(chunk, vertex(name)) for chunk, name in mentioned],
        "EDGE names(weight)": [
            edge(chunk, thing_vertex(name), str(weight))
            for chunk, weights in weights_of.items()
            for name, weight in weights.items()
        ],
        "VERTEX thing(name)": [f"{quoted(thing_vertex(name))}:({quoted(name)})" for name in things],
        "EDGE part_of()": [edge(item.id, document_vertex(item.document_id)) for item in passages],
        "EDGE next()": [edge(one.id, two.id) for one, two in _consecutive(passages)],
    }
    for head, items in values.items():
        yield from (f"INSERT {head} VALUES {', '.join(part)}" for part in batches(items, BATCH))


def document_vertex(document_id: str) -> str:
    """The vertex id of a document; `d` and a digest."""
    return "d" + vertex(document_id)[1:]


def thing_vertex(name: str) -> str:
    """The vertex id of a thing by its normalised name (`text.entities`); `t` and a digest."""
    return "t" + vertex(name)[1:]


def is_thing(vertex_id: str, name: object) -> bool:
    """Whether it is a thing's vertex whose name is known (a string, not null)."""
    return vertex_id.startswith("t") and isinstance(name, str)


def is_title(vertex_id: str, name: object) -> bool:
    """Whether it is a title's vertex (tag `entity`) whose name is known."""
    return vertex_id.startswith("e") and isinstance(name, str)


def space_name(tenant: str, collection: str) -> str:
    """The nGQL space of a tenant's collection."""
    return tenants.space_name(tenant, collection)


def edge(source: str, target: str, properties: str = "") -> str:
    """A value of INSERT EDGE, with rank 0."""
    return f"{quoted(source)}->{quoted(target)}:({properties})"


def id_list(ids: Iterable[str]) -> str:
    """Vertex ids as a list of nGQL literals."""
    return ", ".join(quoted(item) for item in ids)


def batches(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    """`items` in order, at most `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _consecutive(passages: Sequence[Passage]) -> Iterable[tuple[Passage, Passage]]:
    """Pairs of passages that follow each other in one document."""
    ordered = sorted(passages, key=lambda item: (item.document_id, item.position))
    return ((one, two) for one, two in pairwise(ordered) if one.document_id == two.document_id)
