"""What the store endpoints do between HTTP and the store: names, filters, embedding, limits."""

from typing import Any

from servers.bridge.access.keys import Caller
from servers.bridge.clients.milvus.client import SHOWN
from servers.bridge.clients.milvus.filters import compiled
from servers.bridge.clients.nebula import statement_check
from servers.bridge.clients.nebula.client import quoted
from servers.bridge.clients.tenants import DEFAULT, SEPARATOR, own_spaces, space_name
from servers.bridge.http.models import MilvusInsert, MilvusSearch, NebulaInsert, NebulaQuery
from servers.bridge.services import Stores
from tools.errors import BadRequest, CollectionNotFound, Forbidden
from tools.text.language import detect
from tools.text.words import tokens

GRAPH_ROWS = 10_000


async def search_vectors(stores: Stores, tenant: str, body: MilvusSearch) -> list[dict[str, Any]]:
    """Nearest rows of a collection: `{id, score, …fields}`; a text is embedded first."""
    try:
        return await _found(stores, tenant, body)
    except CollectionNotFound:
        # It may be elsewhere since we looked.
        stores.lately.forget(tenant, body.collection)
        return await _found(stores, tenant, body)


async def _found(stores: Stores, tenant: str, body: MilvusSearch) -> list[dict[str, Any]]:
    physical, name = await _physical(stores, tenant, body.collection)
    expression = compiled(body.filter)
    vector = body.vector
    if vector is None:
        embedder = stores.embedders.get(name)
        vector = (await embedder.embed([body.text or ""]))[0].tolist()
    fields = body.output_fields or [name for name in SHOWN if name != "heading"]
    hidden = set(fields) & {"dense", "sparse", "tokens", "tenant"}
    if hidden:
        raise BadRequest("a field is not known", param="output_fields", source="milvus")
    hits = await stores.milvus.dense(physical, vector, limit=body.top_k, filter=expression, fields=fields)
    return [{"id": hit["id"], "score": float(hit["distance"]), **dict(hit["entity"])} for hit in hits]


async def insert_vectors(stores: Stores, tenant: str, body: MilvusInsert) -> int:
    """Write rows `{id, text, dense?, title?, source?, document_id?, language?, metadata?}`."""
    place = await stores.library.where(tenant, body.collection)
    embedder = stores.embedders.get(place.embedder or None)
    await stores.library.ensure(place)
    await stores.milvus.ensure(place.physical, dimensions=embedder.dimensions)
    rows = [_row(tenant, number, row) for number, row in enumerate(body.rows)]
    missing = [row for row in rows if row["dense"] is None]
    vectors = await embedder.embed([row["text"] for row in missing]) if missing else []
    for row, vector in zip(missing, vectors, strict=True):
        row["dense"] = vector
    await stores.milvus.upsert(place.physical, rows)
    await stores.library.bump(place)
    return len(rows)


async def collections(stores: Stores, tenant: str) -> list[dict[str, Any]]:
    names = set(await stores.milvus.names())
    rows = await stores.library.collections(tenant)
    return [
        {
            "name": row.name,
            "physical": row.physical,
            "embedder": row.embedder,
            "dimensions": row.dimensions,
            "languages": row.languages,
            "version": row.version,
        }
        for row in rows
        if row.physical in names
    ]


async def query_graph(stores: Stores, caller: Caller, body: NebulaQuery) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows. Only a key that was given the write scope writes: what asks with the platform's own
    key (or with none, on loopback) speaks for models, whose statements read."""
    write = caller.limit is not None and "write" in caller.scopes
    query = statement_check.check(body.query, write=write)
    if caller.tenant != DEFAULT and statement_check.asks_for_spaces(query):
        raise Forbidden("GET /api/v1/nebula/spaces lists your spaces", param="query", source="nebula")
    columns, rows = await stores.nebula.execute(
        space_name(caller.tenant, body.space), query, body.params, deadline_s=stores.nebula.deadline_s * 3
    )
    return columns, rows[:GRAPH_ROWS]


async def spaces(stores: Stores, tenant: str) -> list[str]:
    return own_spaces(tenant, await stores.nebula.spaces())


async def insert_graph(stores: Stores, tenant: str, body: NebulaInsert) -> int:
    """Insert vertices and edges; properties become literals here, never text of the caller's."""
    space = space_name(tenant, body.space)
    for vertex in body.vertices:
        names, values = _properties(vertex.properties)
        statement = f"INSERT VERTEX `{vertex.tag}`({names}) VALUES {quoted(vertex.vid)}:({values})"
        await stores.nebula.execute(space, statement)
    for edge in body.edges:
        names, values = _properties(edge.properties)
        ends = f"{quoted(edge.src)}->{quoted(edge.dst)}@{edge.rank}"
        await stores.nebula.execute(space, f"INSERT EDGE `{edge.edge}`({names}) VALUES {ends}:({values})")
    return len(body.vertices) + len(body.edges)


async def _physical(stores: Stores, tenant: str, name: str) -> tuple[str, str | None]:
    """The Milvus collection behind a name, and the name of its embedder: one of ours, or any other that the
    default tenant made."""
    row = await stores.lately.collection(tenant, name)
    if row is not None:
        return row.physical, row.embedder
    if tenant == DEFAULT and SEPARATOR not in name and name in await stores.milvus.names():
        return name, None
    raise CollectionNotFound(f"there is no collection {name}", param="collection", source="milvus")


def _row(tenant: str, number: int, row: dict[str, Any]) -> dict[str, Any]:
    allowed = {
        "id",
        "text",
        "dense",
        "vector",
        "title",
        "source",
        "document_id",
        "language",
        "metadata",
        "heading",
    }
    text, key = row.get("text", ""), row.get("id")
    if set(row) - allowed or not isinstance(text, str) or not isinstance(key, str) or not 0 < len(key) <= 64:
        raise BadRequest(
            "a row has id and text, and may have dense, title, source, document_id, language, metadata",
            param=f"rows.{number}",
            source="milvus",
            code="invalid_row",
        )
    title = str(row.get("title", ""))
    language = "es" if row.get("language", detect(text)) == "es" else "en"
    return {
        "id": key,
        "document_id": str(row.get("document_id", key)),
        "tenant": tenant,
        "language": language,
        "title": title,
        "source": str(row.get("source", "")),
        "heading": str(row.get("heading", "")),
        "text": text,
        "tokens": tokens(title, text, language),
        "metadata": row.get("metadata", {}),
        "dense": row.get("dense", row.get("vector")),
    }


def _properties(properties: dict[str, Any]) -> tuple[str, str]:
    for name in properties:
        if not name.isidentifier() or len(name) > 127:
            raise BadRequest("a property's name is not valid", param="properties", source="nebula")
    return ", ".join(f"`{name}`" for name in properties), ", ".join(map(_literal, properties.values()))


def _literal(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return quoted(value)
        case _:
            raise BadRequest(
                "a property is null, boolean, number or text", param="properties", source="nebula"
            )
