"""Knowledge: collections, their documents, adding and deleting them, and how a search finds passages."""

from collections.abc import Sequence
from html import escape
from typing import Final, get_args

from tools.access.identity import Scope
from tools.clients.bridge import StoredDocument
from tools.clients.collections import Collection
from tools.errors import CollectionNotFound, NotFound
from tools.schema import Hit, Language, Leg, SearchRequest, SearchResponse
from ui.access.identity import Visit
from ui.clients import Clients
from ui.messages import say as say_in_chat
from ui.rendering.turn import shown_source
from ui.tabs.tab import button, empty, table
from ui.tabs.words import say
from ui.turns.attachments import PREFIX, file_id_of
from ui.turns.why import bar
from ui.turns.wish import Wish

LISTED: Final = 200
LEGS: Final[tuple[Leg, ...]] = get_args(Leg)
TOP_K: Final = 8
TOLD_BY_SCRIPTS: Final = (
    "uploading", "uploaded", "refused", "too_large", "failed", "too_long", "sending", "reading",
)  # fmt: skip
_HERE: Final = ' aria-current="true"'


class Knowledge:
    """`usual` is the collection that is shown first; files may have `most_bytes`."""

    name = "knowledge"
    scope: Scope = "read"
    live = False

    def __init__(self, usual: str, *, most_bytes: int) -> None:
        self.usual, self.most_bytes = usual, most_bytes

    async def act(self, clients: Clients, visit: Visit, wish: Wish, language: Language) -> str:
        """Delete a document, create a collection."""
        with visit.acting():
            match wish.act:
                case "delete_document":
                    if file_id := file_id_of(wish.id):
                        await self._forget(clients, file_id, wish)
                    else:
                        await clients.bridge.delete(wish.id, collection=self._collection(wish))
                    return say("deleted_document", language, name=wish.title or wish.id)
                case "create":
                    made = await clients.bridge.create_collection(wish.field("name").strip())
                    return say("created", language, name=made["name"])
        return ""

    async def draw(self, clients: Clients, visit: Visit, wish: Wish, language: Language) -> str:
        """Collections on the left; of the chosen one its documents and what a search finds in it."""
        name = self._collection(wish)
        with visit.acting():
            held_all = await clients.bridge.collections()
            try:
                documents = await clients.bridge.first_documents(collection=name, limit=LISTED)
            except CollectionNotFound:
                documents = []
            found = await self._found(clients, name, wish)
        collections = [one for one in held_all if not one["name"].startswith(PREFIX)]
        held = next((one["documents"] for one in collections if one["name"] == name), 0)
        side = f"{_collections(collections, name, language)}{_new_collection(language)}"
        main = (
            f"<h2>{escape(name)}</h2>{self._upload(name, language)}"
            f"{documents_html(documents, name, held, language)}{_playground(name, wish, found, language)}"
        )
        return f'<div class="sides"><div>{side}</div><div>{main}</div></div>'

    async def _forget(self, clients: Clients, file_id: str, wish: Wish) -> None:
        """An uploaded file with all its documents; of another person's file the one document."""
        try:
            await clients.files.delete(file_id)
        except NotFound:
            await clients.bridge.delete(wish.id, collection=self._collection(wish))

    def _collection(self, wish: Wish) -> str:
        made = wish.field("name").strip() if wish.act == "create" else ""
        return made or wish.field("collection") or self.usual

    async def _found(self, clients: Clients, name: str, wish: Wish) -> SearchResponse | None:
        query = wish.field("query").strip()
        if wish.act != "search" or not query:
            return None
        legs: list[Leg] = [leg for leg in LEGS if wish.field(f"leg_{leg}")]
        request = SearchRequest(
            query=query[:32_000], top_k=TOP_K, collection=name, legs=legs or None,
            rerank=bool(wish.field("rerank")), explain=True,
        )  # fmt: skip
        return await clients.bridge.search(request)

    def _upload(self, name: str, language: Language) -> str:
        label = escape(say("upload", language))
        size = f"{self.most_bytes / 2**20:.0f} MiB"
        words = "".join(
            f' data-{key.replace("_", "-")}="{escape(say(key, language))}"' for key in TOLD_BY_SCRIPTS
        )
        return (
            f'<form class="upload" data-collection="{escape(name)}" data-most="{self.most_bytes}"{words}>'
            f'<label class="small primary">{label}<input type="file" multiple></label>'
            f"<p>{escape(say('upload_hint', language, size=size))}</p>"
            '<div class="progress" role="status"></div></form>'
        )


def _collections(collections: Sequence[Collection], chosen: str, language: Language) -> str:
    if not collections:
        return empty(say("no_collections", language))
    rows = "".join(
        f'<li><button type="button" data-act="open" data-collection="{escape(one["name"])}"'
        f"{_HERE if one['name'] == chosen else ''}><b>{escape(one['name'])}</b>"
        f"<small>{one['documents']} · {one['chunks']} {escape(say('passages', language))}"
        f"{_owner(one, language)}</small></button></li>"
        for one in collections
    )
    return f'<h2>{escape(say("collections", language))}</h2><ul class="list">{rows}</ul>'


def _owner(one: Collection, language: Language) -> str:
    owner = one.get("owner")
    return f" · {escape(say('owner', language))} {escape(owner)}" if owner else ""


def _new_collection(language: Language) -> str:
    label = escape(say("collection_name", language))
    return (
        '<form class="row" data-act="create">'
        '<input name="name" required pattern="[a-z][a-z0-9_]*" maxlength="63" '
        f'aria-label="{escape(say("new_collection", language))}" placeholder="{label}">'
        f'<button class="small">{escape(say("create", language))}</button></form>'
    )


def documents_html(documents: Sequence[StoredDocument], name: str, held: int, language: Language) -> str:
    """The first documents of the collection `name`, which holds so many."""
    head = f"<h3>{escape(say('documents', language))} · {held}</h3>"
    if not documents:
        return head + empty(say("no_documents", language))
    rows = [
        (
            f"<b>{escape(one['title'] or one['id'])}</b>",
            f"<small>{escape(shown_source(one['source']))}</small>",
            escape(one["language"]),
            str(one["chunks"]),
            escape((one.get("updated_at") or "")[:16].replace("T", " ")),
            button(
                "delete_document", language, named=one["title"] or one["id"], sure=True, id=one["id"],
                title=one["title"], collection=name,
            ),
        )
        for one in documents
    ]  # fmt: skip
    heads = [say(key, language) for key in ("title", "source", "language", "passages", "changed")]
    more = empty(say("more_documents", language, shown=len(rows), count=held)) if held > len(rows) else ""
    return head + table([*heads, ""], rows, label=say("documents", language)) + more


def _playground(name: str, wish: Wish, found: SearchResponse | None, language: Language) -> str:
    legs = "".join(
        f'<label><input type="checkbox" name="leg_{leg}" value="1"'
        f"{' checked' if found is None or wish.field(f'leg_{leg}') else ''}> "
        f"{escape(say_in_chat(f'leg_{leg}', language))}</label>"
        for leg in LEGS
    )
    checked = " checked" if wish.field("rerank") else ""
    asked = escape(wish.field("query") if wish.act == "search" else "")
    label = escape(say("query", language))
    return (
        f"<h3>{escape(say('playground', language))}</h3>"
        f'<form class="row" data-act="search"><input type="hidden" name="collection" value="{escape(name)}">'
        f'<input name="query" required maxlength="2000" value="{asked}" aria-label="{label}" '
        f'placeholder="{label}">'
        f'<fieldset><legend class="unseen">{escape(say("retrievers", language))}</legend>{legs}'
        f'<label><input type="checkbox" name="rerank" value="1"{checked}> '
        f"{escape(say('rerank', language))}</label>"
        f'</fieldset><button class="small primary">{escape(say("search", language))}</button></form>'
        f"{results_html(found, language) if found else ''}"
    )


def results_html(found: SearchResponse, language: Language) -> str:
    """What a search found, each passage with the opinion of every retriever."""
    if not found.results:
        return empty(say("nothing_found", language))
    said = say("found_in", language, count=len(found.results), ms=round(found.took_ms))
    missing = f" · {say('not_answered', language, names=', '.join(found.degraded))}" if found.degraded else ""
    hits = "".join(_hit(hit, language) for hit in found.results)
    return f'<p class="empty">{escape(said + missing)}</p><ol class="hits">{hits}</ol>'


def _hit(hit: Hit, language: Language) -> str:
    """One passage with what each retriever thought of it."""
    bars = bar(say_in_chat("score", language), hit.score, f"{hit.score:.2f}")
    for leg, thought in hit.legs.items():
        score = thought.get("score")
        share = (
            score
            if isinstance(score, int | float) and 0 <= score <= 1
            else 1 / max(1, thought.get("rank", 1))
        )
        rank = say_in_chat("rank", language, rank=thought.get("rank"))
        bars += bar(say_in_chat(f"leg_{leg}", language), share, f"{rank} · {score}")
    walked = str(hit.legs.get("graph", {}).get("words", ""))
    path = f"<p><small>{escape(walked)}</small></p>" if walked else ""
    return (
        f"<li><b>{escape(hit.title)}</b> <small>{escape(shown_source(hit.source))}</small>{bars}{path}"
        f'<p class="quoted">{escape(hit.text)}</p></li>'
    )
