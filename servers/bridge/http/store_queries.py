"""What the store routes do between HTTP and the store: names, filters, embedding, literals, limits."""

from typing import Any

from servers.bridge.clients.milvus.client import OUTPUT_FIELDS
from servers.bridge.clients.milvus.filters import compiled
from servers.bridge.clients.nebula import statement_check
from servers.bridge.clients.nebula.client import quoted
from servers.bridge.clients.tenants import DEFAULT, SEPARATOR, own_spaces, space_name
from servers.bridge.http.caller import Caller
from servers.bridge.http.requests import MilvusInsert, MilvusSearch, NebulaInsert, NebulaQuery
from servers.bridge.http.responses import MilvusCollection
from servers.bridge.services import Services
from tools.errors import BadRequest, CollectionNotFound, Forbidden
from tools.schema import JsonObject
from tools.text.language import detect
from tools.text.words import tokens

MAX_GRAPH_ROWS = 10_000


async def search_vectors(caller: Caller, body: MilvusSearch) -> list[JsonObject]:
    """Nearest rows of a collection: `{id, score, …fields}`, best first; a text is embedded first.

    Raises CollectionNotFound, BadRequest, StoreUnavailable."""
    services = await caller.reading(body.collection)
    try:
        return await _search(services, caller.tenant, body)
    except CollectionNotFound:
        # It may have moved since the row was cached.
        services.collection_cache.forget(caller.tenant, body.collection)
        return await _search(services, caller.tenant, body)


async def _search(services: Services, tenant: str, body: MilvusSearch) -> list[JsonObject]:
    physical, name = await _physical(services, tenant, body.collection)
    expression = compiled(body.filter)
    vector = body.vector
    if vector is None:
        embedder = services.embedders.get(name)
        vector = (await embedder.embed([body.text or ""], "query"))[0].tolist()
    fields = body.output_fields or [name for name in OUTPUT_FIELDS if name != "heading"]
    hidden = set(fields) & {"dense", "sparse", "tokens", "tenant"}
    if hidden:
        raise BadRequest("a field is not known", param="output_fields", source="milvus")
    hits = await services.milvus.dense(physical, vector, limit=body.top_k, filter=expression, fields=fields)
    return [{"id": hit["id"], "score": float(hit["distance"]), **dict(hit["entity"])} for hit in hits]


async def insert_vectors(caller: Caller, body: MilvusInsert) -> int:
    """Write rows `{id, text, dense?, title?, source?, document_id?, language?, metadata?}`; how many.

    Raises BadRequest `invalid_row`."""
    services = await caller.writing(body.collection, make=True)
    location = await services.repository.where(caller.tenant, body.collection)
    embedder = services.embedders.get(location.embedder or None)
    await services.repository.ensure(location)
    await services.milvus.ensure(location.physical, dimensions=embedder.dimensions)
    rows = [_row(caller.tenant, number, row) for number, row in enumerate(body.rows)]
    missing = [row for row in rows if row["dense"] is None]
    vectors = await embedder.embed([row["text"] for row in missing]) if missing else []
    for row, vector in zip(missing, vectors, strict=True):
        row["dense"] = vector
    await services.milvus.upsert(location.physical, rows)
    await services.repository.bump(location)
    return len(rows)


async def collections(caller: Caller) -> list[MilvusCollection]:
    """The collections that Milvus holds and the caller may read."""
    services, visible = await caller.visible()
    names = set(await services.milvus.names())
    rows = await services.repository.collections(caller.tenant)
    return [
        MilvusCollection(
            name=row.name,
            physical=row.physical,
            embedder=row.embedder,
            dimensions=row.dimensions,
            languages=row.languages,
            version=row.version,
        )
        for row in rows
        if row.physical in names and row.name in visible
    ]


async def query_graph(caller: Caller, body: NebulaQuery) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows, at most `MAX_GRAPH_ROWS`. Who has the write scope writes, where they may: a caller
    with the platform's own key (or with none, on loopback) speaks for models, whose statements read."""
    principal = caller.principal
    services = await caller.reading(body.space)
    write = not principal.platform and "write" in principal.scopes and await caller.may_write(body.space)
    query = statement_check.check(body.query, write=write)
    if not (principal.platform and principal.tenant == DEFAULT) and statement_check.asks_for_spaces(query):
        raise Forbidden("GET /api/v1/nebula/spaces lists your spaces", param="query", source="nebula")
    columns, rows = await services.nebula.execute(
        space_name(principal.tenant, body.space),
        query,
        body.params,
        deadline_s=services.nebula.deadline_s * 3,
    )
    return columns, rows[:MAX_GRAPH_ROWS]


async def spaces(caller: Caller) -> list[str]:
    """The graph spaces that the caller may read, under the names that it uses."""
    services, hidden = await caller.hidden()
    return [name for name in own_spaces(caller.tenant, await services.nebula.spaces()) if name not in hidden]


async def insert_graph(caller: Caller, body: NebulaInsert) -> int:
    """Insert vertices and edges; properties become literals here, never text of the caller's."""
    services = await caller.writing(body.space)
    space = space_name(caller.tenant, body.space)
    for vertex in body.vertices:
        names, values = _properties(vertex.properties)
        statement = f"INSERT VERTEX `{vertex.tag}`({names}) VALUES {quoted(vertex.vid)}:({values})"
        await services.nebula.execute(space, statement)
    for edge in body.edges:
        names, values = _properties(edge.properties)
        ends = f"{quoted(edge.src)}->{quoted(edge.dst)}@{edge.rank}"
        await services.nebula.execute(space, f"INSERT EDGE `{edge.edge}`({names}) VALUES {ends}:({values})")
    return len(body.vertices) + len(body.edges)


async def _physical(services: Services, tenant: str, name: str) -> tuple[str, str | None]:
    """The Milvus collection behind a name, and the name of its embedder: one of ours, or any other that the
    default tenant made."""
    row = await services.collection_cache.collection(tenant, name)
    if row is not None:
        return row.physical, row.embedder
    if tenant == DEFAULT and SEPARATOR not in name and name in await services.milvus.names():
        return name, None
    raise CollectionNotFound(f"there is no collection {name}", param="collection", source="milvus")


def _row(tenant: str, number: int, row: JsonObject) -> JsonObject:
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


def _properties(properties: JsonObject) -> tuple[str, str]:
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
