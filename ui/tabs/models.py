"""Models: which are loaded, what they hold and do, and loading and unloading for those who run the pool."""

from html import escape
from typing import Any, Final

from tools.access.identity import Scope
from tools.clients.pool import ModelInfo
from tools.schema import JsonObject, Language
from ui.access.identity import Visit
from ui.clients import Clients
from ui.tabs.tab import button, state, table
from ui.tabs.words import say
from ui.turns.wish import Wish

KINDS: Final = {
    **dict.fromkeys(("ready", "loaded"), "good"),
    **dict.fromkeys(("loading", "starting", "waking", "draining", "stopping"), "busy"),
}
"""The colour of a state; of the others `off`."""


class Models:
    """Everybody sees what there is; who may run the pool also what it does, with the means to change it."""

    name = "models"
    scope: Scope = "read"
    live = True

    async def act(self, clients: Clients, visit: Visit, wish: Wish, language: Language) -> str:
        """Begin to load or unload a model; neither waits for its end."""
        with visit.acting():
            match wish.act:
                case "load":
                    await clients.pool.begin_load(wish.id)
                    return say("loading_began", language, name=wish.id)
                case "unload":
                    await clients.pool.unload(wish.id)
                    return say("unloading_began", language, name=wish.id)
        return ""

    async def draw(self, clients: Clients, visit: Visit, wish: Wish, language: Language) -> str:
        """The catalogue as a table."""
        runs = "operate" in visit.principal.scopes
        with visit.acting():
            listed = await clients.pool.models()
            stats = await clients.pool.stats() if runs else {}
        rows = [
            _row(one, stats.get("models", {}).get(one["id"], {}), runs=runs, language=language)
            for one in listed
        ]
        keys = ["model", "kind", "state", "memory", "queue", "speed", "requests", "reason"]
        heads = [say(key, language) for key in (keys if runs else [*keys[:3], "reason"])]
        head = ""
        if runs:
            used = {**stats["slots"], "queued": stats["queued"]}
            head = f'<p class="empty">{escape(say("slots", language, **used))}</p>'
        return head + table([*heads, *([""] if runs else [])], rows, label=say("models", language))


def _row(one: ModelInfo, now: JsonObject, *, runs: bool, language: Language) -> list[str]:
    shown = str(now.get("state") or one.get("status") or "")
    kind = "bad" if not one.get("available") else KINDS.get(shown, "off")
    why = one.get("reason") or now.get("cause") or ""
    first = [
        f"<b>{escape(one['id'])}</b><br><small>{escape(one.get('description', ''))}</small>",
        escape(one.get("domain", "")),
        state(kind, say(f"model_{shown}", language)),
    ]
    reason = f"<small>{escape(str(why))}</small>"
    if not runs:
        return [*first, reason]
    doing = f"{now.get('in_flight', 0)} / {now.get('queued', 0)}" if now else ""
    numbers = [
        _memory(now.get("memory")),
        doing,
        _number(now.get("tokens_per_second")),
        _number(now.get("requests")),
    ]
    return [*first, *numbers, reason, _acts(one, shown, language) if now else ""]


def _acts(one: ModelInfo, shown: str, language: Language) -> str:
    """What may be done with a model of a process of its own, as it is now."""
    if not one.get("available") or shown in ("remote", "missing"):
        return ""
    act = "unload" if shown in ("ready", "loading", "starting") else "load"
    return button(act, language, named=one["id"], sure=act == "unload", id=one["id"])


def _memory(value: Any) -> str:
    return f"{value / 2**30:.1f} GiB" if isinstance(value, int | float) and value else "—"


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int | float) and value else "—"
