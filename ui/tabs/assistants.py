"""Assistants: agents that people make without code, tried beside the form, with their versions, shared."""

import re
import unicodedata
from collections.abc import Sequence
from html import escape
from typing import Final

from tools.access.identity import LOCAL, Scope
from tools.clients.pool import ModelInfo
from tools.errors import BadRequest, Capibara6Error
from tools.schema import Answer, JsonObject, Language
from ui.access.identity import Visit
from ui.clients import Clients
from ui.messages import say as say_in_chat
from ui.rendering.menu import options
from ui.rendering.turn import done_html
from ui.tabs.tab import button, empty, table
from ui.tabs.words import say
from ui.turns.attachments import PREFIX
from ui.turns.choices import AUTO, STARTERS, agents, generators
from ui.turns.wish import Wish

IN: Final = "in_"
"""What the fields of collections begin with."""


class Assistants:
    """One's own can be changed; those that others share can be read and asked."""

    name = "assistants"
    scope: Scope = "read"
    live = False

    async def act(self, clients: Clients, visit: Visit, wish: Wish, language: Language) -> str:
        """Make, change, put a version in force, delete; trying changes nothing."""
        with visit.acting():
            match wish.act:
                case "save_assistant":
                    content, id = content_of(wish), wish.id or id_of(wish.field("name"))
                    if wish.id:
                        saved = await clients.assistants.update(id, content)
                    else:
                        saved = await clients.assistants.create(id, content)
                    wish.id = wish.fields["saved"] = saved["assistant_id"]
                    return say("saved_assistant", language, name=saved["name"], version=saved["version"])
                case "use_version":
                    used = await clients.assistants.use(wish.id, int(wish.field("version") or "0"))
                    return say("used_version", language, version=used["version"])
                case "delete_assistant":
                    await clients.assistants.delete(wish.id)
                    name, wish.id = wish.title or wish.id, ""
                    return say("deleted_assistant", language, name=name)
        return ""

    async def draw(self, clients: Clients, visit: Visit, wish: Wish, language: Language) -> str:
        """Whose there are on the left; the chosen one's form, its trial and its versions."""
        with visit.acting():
            made = [one for one in await clients.assistants.list_all() if one["owner"]]
            chosen = next((one for one in made if one["assistant_id"] == wish.id), None)
            versions = await clients.assistants.versions(wish.id) if chosen else []
            models = await clients.api.models()
            held = [one["name"] for one in await clients.bridge.collections()]
            tried = await _tried(clients, chosen, wish, language)
        collections = [name for name in held if not name.startswith(PREFIX)]
        mine = chosen is None or chosen["owner"] == visit.principal.user
        shown = chosen
        if wish.act == "save_assistant" and not wish.field("saved"):  # refused: what was written stays
            shown = {**content_of(wish), "assistant_id": wish.id}
        main = form_html(shown, models, collections, language, mine=mine)
        if chosen is not None:
            main += trial_html(chosen, wish, tried, language) + _versions(
                versions, chosen, language, mine=mine
            )
        side = _list(made, wish.id, visit, language)
        return f'<div class="sides"><div>{side}</div><div>{main}</div></div>'


def content_of(wish: Wish) -> JsonObject:
    """What the API keeps of a form. Raises BadRequest for one without a name. Pure."""
    name = " ".join(wish.field("name").split())
    if not name:
        raise BadRequest("an assistant has a name", param="name", source="ui")
    model = wish.field("model")
    chosen: JsonObject = {
        "instructions": wish.field("instructions").strip(),
        "collections": [key.removeprefix(IN) for key in wish.fields if key.startswith(IN)],
        "model": "" if model == AUTO else model,
    }
    starters = [line.strip() for line in wish.field(STARTERS).splitlines() if line.strip()]
    return {
        "name": name[:200],
        "description": wish.field("description").strip()[:2_000],
        "graph_id": wish.field("graph"),
        "context": {key: value for key, value in chosen.items() if value},
        "metadata": {
            "sharing": "everybody" if wish.field("shared") else "private",
            STARTERS: starters[:8],
        },
    }


def id_of(name: str) -> str:
    """An id that says what it is called: `Tutor de física` is `tutor-de-fisica`. Pure."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64].strip("-")


def form_html(
    one: JsonObject | None,
    models: Sequence[ModelInfo],
    collections: Sequence[str],
    language: Language,
    *,
    mine: bool,
) -> str:
    """The form of a new assistant, or of `one`; of another person's everything can be read alone."""
    content: JsonObject = one or {"context": {}, "metadata": {}}
    context, metadata = content["context"], content["metadata"]
    inside = context.get("collections") or ([context["collection"]] if context.get("collection") else [])
    ours = [option for option in agents(models, language) if str(option[1]).startswith("capibara6")]
    fields = (
        _line("name", content.get("name") or "", language, required=True)
        + _line("description", content.get("description") or "", language)
        + _choice("graph", options(ours, content.get("graph_id")), language)
        + _choice("model", options(generators(models, language), context.get("model") or AUTO), language)
        + _area("instructions", context.get("instructions") or "", language, rows=6, most=20_000)
        + _area(STARTERS, "\n".join(metadata.get(STARTERS) or []), language, rows=3, most=2_000)
        + _inside([*dict.fromkeys([*collections, *inside])], inside, language)
        + _shared(metadata.get("sharing") == "everybody", language)
    )
    head = escape(str(content.get("name") or say("new_assistant", language)))
    save = f'<button class="small primary">{escape(say("save", language))}</button>' if mine else ""
    locked = "" if mine else " disabled"
    hidden = f'<input type="hidden" name="id" value="{escape(one["assistant_id"] if one else "")}">'
    return (
        f'<h2>{head}</h2><form class="sheet-form" data-act="save_assistant">{hidden}'
        f"<fieldset{locked}>{fields}</fieldset>{save}</form>"
    )


def trial_html(one: JsonObject, wish: Wish, tried: str, language: Language) -> str:
    """A question to the version in force, and what came."""
    label, asked = escape(say("try_question", language)), ""
    if wish.act == "try_assistant":
        asked = escape(wish.field("question"))
    return (
        f"<h3>{escape(say('try', language))}</h3>"
        '<form class="row" data-act="try_assistant">'
        f'<input type="hidden" name="id" value="{escape(one["assistant_id"])}">'
        f'<input name="question" required maxlength="4000" value="{asked}" aria-label="{label}" '
        f'placeholder="{label}"><button class="small">{escape(say("ask_it", language))}</button></form>'
        f"{tried}"
    )


async def _tried(clients: Clients, one: JsonObject | None, wish: Wish, language: Language) -> str:
    """The answer to the trial; what went wrong is said where the answer would be."""
    question = wish.field("question").strip()
    if one is None or wish.act != "try_assistant" or not question:
        return ""
    try:
        answer: Answer = await clients.api.ask(question[:4_000], agent=one["assistant_id"])
    except Capibara6Error as exc:
        return f'<div class="failure" role="alert">{escape(exc.message)}</div>'
    return done_html(answer, language)


def _list(made: Sequence[JsonObject], chosen: str, visit: Visit, language: Language) -> str:
    label = escape(say("new_assistant", language))
    new = f'<button type="button" class="small" data-act="open">{label}</button>'
    head = f"<h2>{escape(say('assistants', language))}</h2>{new}"
    if not made:
        return head + empty(say("no_assistants", language))
    return head + f'<ul class="list">{"".join(_row(one, chosen, visit, language) for one in made)}</ul>'


def _row(one: JsonObject, chosen: str, visit: Visit, language: Language) -> str:
    here = ' aria-current="true"' if one["assistant_id"] == chosen else ""
    mine = one["owner"] in (visit.principal.user, LOCAL.user)
    whose = "" if mine else f" · {escape(say('owner', language))} {escape(str(one['owner']))}"
    return (
        f'<li><button type="button" data-act="open" data-id="{escape(one["assistant_id"])}"{here}>'
        f"<b>{escape(one['name'])}</b><small>{escape(one['assistant_id'])}{whose}</small></button></li>"
    )


def _versions(versions: Sequence[JsonObject], one: JsonObject, language: Language, *, mine: bool) -> str:
    id, name = one["assistant_id"], one["name"]
    rows = [
        [
            str(row["version"]),
            escape(str(row["created_at"])[:16].replace("T", " ")),
            f"<small>{escape(str(row['context'].get('instructions') or '—')[:200])}</small>",
            escape(say("in_force", language))
            if row["version"] == one["version"]
            else button(
                "use_version", language, named=str(row["version"]), id=id, version=str(row["version"])
            )
            if mine
            else "",
        ]
        for row in versions
    ]
    heads = [say(key, language) for key in ("version", "changed", "instructions")]
    gone = button("delete_assistant", language, named=name, sure=True, id=id, title=name) if mine else ""
    shown = table([*heads, ""], rows, label=say("versions", language))
    return f"<h3>{escape(say('versions', language))}</h3>{shown}<p>{gone}</p>"


def _line(name: str, value: str, language: Language, *, required: bool = False) -> str:
    must = " required" if required else ""
    return (
        f"<label><span>{escape(say(name, language))}</span>"
        f'<input name="{name}" maxlength="200" value="{escape(value)}"{must}></label>'
    )


def _area(name: str, value: str, language: Language, *, rows: int, most: int) -> str:
    return (
        f"<label><span>{escape(say(name, language))}</span>"
        f'<textarea name="{name}" rows="{rows}" maxlength="{most}">{escape(value)}</textarea></label>'
    )


def _choice(name: str, inner: str, language: Language) -> str:
    return f'<label><span>{escape(say(name, language))}</span><select name="{name}">{inner}</select></label>'


def _inside(names: Sequence[str], chosen: Sequence[str], language: Language) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" name="{IN}{escape(name)}" value="1"'
        f"{' checked' if name in chosen else ''}> {escape(name)}</label>"
        for name in names
    )
    usual = escape(say_in_chat("usual_collection", language))
    return (
        f'<div class="boxes" role="group" aria-label="{escape(say("collections", language))}">'
        f"<span>{escape(say('collections', language))}</span>{boxes or usual}</div>"
    )


def _shared(shared: bool, language: Language) -> str:
    return (
        f'<label class="check"><input type="checkbox" name="shared" value="1"{" checked" if shared else ""}> '
        f"{escape(say('shared_with_all', language))}</label>"
    )
