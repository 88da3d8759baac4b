"""A server that speaks OpenAI's wire: the models that it lists, and how much they hold where it says so."""

from typing import Any

import httpx

from servers.pool.catalog.kinds import Kind
from servers.pool.catalog.sources.facts import Facts
from tools.errors import BadRequest, Forbidden, Unavailable, UpstreamFailed
from tools.schema import JsonObject

ANSWER_S = 10.0


def inspect_server(url: str, *, upstream: str | None, key: str | None, kind: Kind = "chat") -> Facts:
    """What the server at `url` (with or without `/v1`) tells of its model `upstream`, or of its only one.

    Raises BadRequest where it must be named, Forbidden for a key, Unavailable, UpstreamFailed.
    """
    root = url.rstrip("/").removesuffix("/v1")
    listed = _list(root, key)
    names = [str(one["id"]) for one in listed]
    if upstream is None and len(names) != 1:
        raise _bad(f"{root} has {len(names)} models; choose one with --upstream: {', '.join(names[:20])}")
    name = upstream or names[0]
    if name not in names:
        raise _bad(f"{root} has no model {name}; it has {', '.join(names[:20])}")
    told = listed[names.index(name)]
    held = told.get("max_model_len") or told.get("context_length")
    return Facts(
        name=name.rpartition("/")[2],
        backend="openai",
        place={"urls": [root], "upstream": name},
        kind=kind,
        context_tokens=held if isinstance(held, int) else None,
    )


def _list(root: str, key: str | None) -> list[JsonObject]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{root}/v1/models", headers=headers, timeout=ANSWER_S, trust_env=False)
        if answer.status_code in (401, 403):
            how = "it refuses this key" if key else "it wants a key: --key-file"
            raise Forbidden(f"{root}: {how}", param="source", source="engine")
        told: Any = answer.raise_for_status().json()
        return [one for one in told["data"] if isinstance(one["id"], str)]
    except httpx.HTTPStatusError as exc:
        why = f"{root}/v1/models answered HTTP {exc.response.status_code}"
        raise UpstreamFailed(why, source="engine") from exc
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise Unavailable(f"{root} does not answer ({type(exc).__name__})", source="engine") from exc
    except (ValueError, TypeError, KeyError) as exc:
        raise UpstreamFailed(f"{root}/v1/models is no list of models", source="engine") from exc


def _bad(message: str) -> BadRequest:
    return BadRequest(message, param="source", source="engine")
