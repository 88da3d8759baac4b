"""Toolset `knowledge`: search the documents, read one, list the collections, hold a claim against them."""

from typing import Literal

from pydantic import BaseModel, Field

from agents.answering.entailment import follows
from agents.grounding.evidence import read_evidence
from agents.grounding.judgement import Judgement, entailed, judge
from agents.grounding.sentences import split_sentences
from servers.mcp.toolbox import Arguments, Call, Cursor, Tool, cursor_at, page
from tools.passages import Passage as Read
from tools.schema import Citation, CollectionName, Identifier, SearchRequest

PAGE_CHARS = 8_000
COLLECTIONS = 50
DEEPEST = 100
"""How many passages a search goes through in all, as the bridge does."""
COMPARED = 8


class Passage(BaseModel):
    """A passage of a document; cite it as [n]."""

    n: int = Field(ge=1)
    title: str
    source: str
    document_id: str
    text: str
    score: float = Field(ge=0, le=1)


class Found(BaseModel):
    """Best passage first; `degraded` names the retrievers that did not answer."""

    passages: list[Passage]
    degraded: list[str] = []
    next: str | None = None


class Searching(Arguments):
    query: str = Field(min_length=1, max_length=32_000, description="What to look for / qué buscar")
    top_k: int = Field(default=5, ge=1, le=20)
    collection: CollectionName | None = None
    cursor: Cursor = None


class Text(BaseModel):
    """A part of a document's text."""

    text: str
    document_id: str = ""
    title: str = ""
    source: str = ""
    next: str | None = None


class Reading(Arguments):
    document_id: Identifier = Field(description="From search_knowledge")
    collection: CollectionName | None = None
    cursor: Cursor = None


class CollectionView(BaseModel):
    """One collection and how much it holds."""

    name: str
    documents: int
    passages: int
    languages: list[str]


class CollectionPage(BaseModel):
    """The caller's collections by name."""

    collections: list[CollectionView]
    next: str | None = None


class Listing(Arguments):
    cursor: Cursor = None


class Claiming(Arguments):
    claim: str = Field(min_length=1, max_length=4_000, description="Sentences / frases")
    collection: CollectionName | None = None


Judged = Literal["supported", "unsupported", "unclear", "no_claim"]
WORST_FIRST: tuple[Judged, ...] = ("unsupported", "unclear", "supported")


class JudgedSentence(BaseModel):
    """One sentence and what its support rests on; `unclear` when only a model could tell."""

    text: str
    verdict: Judged
    support: float
    passages: list[int]


class Verdict(BaseModel):
    """`supported` when every sentence that claims something is."""

    verdict: Judged
    sentences: list[JudgedSentence]
    passages: list[Passage]
    degraded: list[str] = []


async def search_knowledge(given: Searching, call: Call) -> Found:
    """Search the documents; get the best passages. Busca pasajes (es, en)."""
    start = page(given.cursor)
    passages, degraded = await _search(given.query, start + given.top_k, given.collection, call)
    end = start + given.top_k
    more = len(passages) == end and end < DEEPEST
    return Found(passages=passages[start:], degraded=degraded, next=cursor_at(end, more=more))


async def read_document(given: Reading, call: Call) -> Text:
    """Read a document's text, page by page. Lee un documento."""
    start = page(given.cursor)
    collection = given.collection or call.clients.settings.chat.collection
    found = await call.clients.bridge.document(given.document_id, collection=collection)
    text = found.get("text") or "\n\n".join(passage["text"] for passage in found["passages"])
    end = start + PAGE_CHARS
    return Text(
        document_id=found["id"],
        title=found["title"],
        source=found["source"],
        text=text[start:end],
        next=cursor_at(end, more=end < len(text)),
    )


async def list_collections(given: Listing, call: Call) -> CollectionPage:
    """List the collections and their size. Lista las colecciones."""
    start = page(given.cursor)
    found = sorted(await call.clients.bridge.collections(), key=lambda one: one["name"])
    end = start + COLLECTIONS
    views = [
        CollectionView(
            name=one["name"],
            documents=one["documents"],
            passages=one["chunks"],
            languages=one["languages"],
        )
        for one in found[start:end]
    ]
    return CollectionPage(collections=views, next=cursor_at(end, more=end < len(found)))


async def verify_claim(given: Claiming, call: Call) -> Verdict:
    """Check each sentence of a claim against the documents. Comprueba una afirmación."""
    passages, degraded = await _search(given.claim, COMPARED, given.collection, call)
    sources = [Citation(**passage.model_dump(exclude={"score"})) for passage in passages]
    evidence = read_evidence(sources)
    sentences: list[JudgedSentence] = []
    for sentence in split_sentences(given.claim):
        judged = await _judged(sentence.text, judge(sentence.text, evidence), passages, call)
        sentences.append(_told(sentence.text, judged))
    return Verdict(verdict=_worst(sentences), sentences=sentences, passages=passages, degraded=degraded)


async def _search(
    query: str, most: int, collection: str | None, call: Call
) -> tuple[list[Passage], list[str]]:
    request = SearchRequest(
        query=query,
        top_k=min(most, DEEPEST),
        collection=collection or call.clients.settings.chat.collection,
    )
    found = await call.clients.bridge.search(request)
    passages = [
        Passage(n=n, **hit.model_dump(include=set(Passage.model_fields)))
        for n, hit in enumerate(found.results, 1)
    ]
    return passages, found.degraded


def _worst(sentences: list[JudgedSentence]) -> Judged:
    for verdict in WORST_FIRST:
        if any(one.verdict == verdict for one in sentences):
            return verdict
    return "no_claim"


async def _judged(sentence: str, judged: Judgement, passages: list[Passage], call: Call) -> Judgement:
    """What the rules leave open is asked of the model that the settings name, if they name one."""
    model = call.clients.settings.agents.entailment
    if not judged.unclear or model is None:
        return judged
    near = next((one for one in passages if one.n == judged.spans[0].n), None) if judged.spans else None
    if near is None:
        return judged
    passage = Read(near.n, near.title, near.text)
    says = await follows(sentence, passage, model=model, pool=call.clients.pool)
    return entailed(judged) if says else judged


def _told(sentence: str, judged: Judgement) -> JudgedSentence:
    told: Judged
    if judged.kind != "claim":
        told = "no_claim"
    elif judged.supported:
        told = "supported"
    else:
        told = "unclear" if judged.unclear else "unsupported"
    spans = sorted({span.n for span in judged.spans if span.n}) if told in ("supported", "unclear") else []
    return JudgedSentence(
        text=sentence.strip(), verdict=told, support=round(judged.support, 3), passages=spans
    )


TOOLS = (
    Tool(search_knowledge, Searching, "Search / Buscar", "knowledge", answers=Found),
    Tool(read_document, Reading, "Read / Leer", "knowledge", answers=Text),
    Tool(list_collections, Listing, "Collections / Colecciones", "knowledge", answers=CollectionPage),
    Tool(verify_claim, Claiming, "Verify / Verificar", "knowledge", answers=Verdict),
)
