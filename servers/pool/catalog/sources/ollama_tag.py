"""A model that a running Ollama has pulled: what its `/api/show` tells."""

from typing import Any

import httpx

from servers.pool.catalog.kinds import Ability
from servers.pool.catalog.sources.facts import Facts
from tools.errors import NotFound, Unavailable, UpstreamFailed
from tools.schema import JsonObject

ANSWER_S = 10.0
ABILITIES: dict[str, Ability] = {
    "vision": "images",
    "tools": "tools",
    "thinking": "thinking",
    "audio": "audio",
}
"""What Ollama calls a capability, and what the catalogue does."""


def inspect_ollama(url: str, tag: str) -> Facts:
    """What Ollama at `url` knows of `tag`. Raises NotFound, Unavailable, UpstreamFailed."""
    told, tags = _ask(url, tag)
    info: JsonObject = told.get("model_info") or {}
    details: JsonObject = told.get("details") or {}
    capable = told.get("capabilities")
    embeds = isinstance(capable, list) and "embedding" in capable and "completion" not in capable
    abilities: set[Ability] = {"schema"}
    abilities |= {ABILITIES[name] for name in capable or () if name in ABILITIES}
    sizes = [one.get("size") for one in tags if one.get("name") in (tag, f"{tag}:latest")]
    return Facts(
        name=tag.removesuffix(":latest"),
        backend="ollama",
        place={"ollama": tag},
        kind="embedding" if embeds else "chat",
        architecture=info.get("general.architecture") or details.get("family"),
        parameters=info.get("general.parameter_count"),
        weight_bytes=next((size for size in sizes if isinstance(size, int)), None),
        context_tokens=next(
            (
                value
                for name, value in info.items()
                if name.endswith(".context_length") and isinstance(value, int)
            ),
            None,
        ),
        quantization=details.get("quantization_level"),
        template=bool(told.get("template")),
        abilities=frozenset(abilities) if isinstance(capable, list) and not embeds else None,
    )


def _ask(url: str, tag: str) -> tuple[JsonObject, list[JsonObject]]:
    try:
        with httpx.Client(base_url=url, timeout=ANSWER_S, trust_env=False) as http:
            shown = http.post("/api/show", json={"model": tag})
            if shown.status_code == 404:
                how = f"get it with `ollama pull {tag}`"
                raise NotFound(f"Ollama at {url} has no {tag} ({how})", param="source", source="ollama")
            told: Any = shown.raise_for_status().json()
            tags: Any = http.get("/api/tags").raise_for_status().json()
            return dict(told), list(tags["models"])
    except httpx.HTTPStatusError as exc:
        why = f"Ollama at {url} answered HTTP {exc.response.status_code}"
        raise UpstreamFailed(why, source="ollama") from exc
    except httpx.HTTPError as exc:
        raise Unavailable(f"no Ollama answers at {url} ({type(exc).__name__})", source="ollama") from exc
    except (ValueError, TypeError, KeyError) as exc:
        raise UpstreamFailed(f"what answers at {url} is no Ollama", source="ollama") from exc
