"""Which agent, model and collection to ask: what there is to choose from, and what was chosen.

Models that can not answer now are left out; where they are listed with the reason is the page of models."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tools.clients.api import Api
from tools.clients.bridge import Bridge
from tools.clients.pool import ModelInfo
from tools.errors import Capibara6Error
from tools.schema import JsonObject, Language
from ui.access.identity import Visit
from ui.messages import say
from ui.turns.attachments import PREFIX

AUTO: Final = "auto"
ANYWHERE: Final = ""
AGENT: Final = "capibara6"
ABOUT_CHARS: Final = 60
STARTERS: Final = "starters"
"""The key in an assistant's metadata: questions to begin with, a list of texts."""
Options = list[tuple[str, str | int | float]]
"""What a menu shows and what it means, in order."""


@dataclass(frozen=True)
class Choice:
    """What a question is asked of; empty is left to the settings."""

    agent: str = AGENT
    model: str = AUTO
    collection: str = ANYWHERE
    files: str = ""
    """The collection of the conversation's own files, searched together with the chosen one."""
    usual: str = ""
    """The collection that the settings mean by `ANYWHERE`."""

    @property
    def wishes(self) -> JsonObject:
        """As the API's runs take them."""
        if self.files:
            usual = self.usual if self.agent.startswith(AGENT) else ""  # an assistant has its own
            together = [name for name in (self.files, self.collection or usual) if name]
            where: JsonObject = {"collections": together}
        else:
            where = {"collection": self.collection}
        wanted = {"model": self.model, **where}
        return {name: value for name, value in wanted.items() if value not in (AUTO, ANYWHERE)}


@dataclass(frozen=True)
class Menu:
    """What there is to choose from, `{label, value}` each."""

    agents: Options = field(default_factory=Options)
    models: Options = field(default_factory=Options)
    collections: Options = field(default_factory=Options)


async def read_menu(api: Api, bridge: Bridge, visit: Visit, language: Language) -> Menu:
    """What the visitor may choose from now; of what does not answer, the usual choice alone."""
    models: Sequence[ModelInfo] = []
    names: list[tuple[str, int]] = []
    with visit.acting():
        try:
            models = await api.models()
        except Capibara6Error:
            models = []
        try:
            held = await bridge.collections()
            names = [(one["name"], one["documents"]) for one in held if not one["name"].startswith(PREFIX)]
        except Capibara6Error:
            names = []
    return Menu(agents(models, language), generators(models, language), collections(names, language))


def usual_menu(language: Language) -> Menu:
    """Before anybody was asked."""
    return Menu(agents([], language), generators([], language), collections([], language))


def agents(models: Sequence[ModelInfo], language: Language) -> Options:
    """The agents, the one that cites first."""
    made = {one["id"]: one.get("description") or "" for one in models if one.get("domain") == "agent"}
    return [(_agent_label(name, about, language), name) for name, about in ({AGENT: ""} | made).items()]


def generators(models: Sequence[ModelInfo], language: Language) -> Options:
    """`auto`, and the models that can answer now, with what they cost to ask: loaded, or to be loaded."""
    options: Options = [(say("auto_model", language), AUTO)]
    for one in models:
        if one.get("domain") in ("agent", "embedding") or not one.get("available") or one["id"] == AUTO:
            continue
        state = say("model_ready" if one.get("ready") else "model_loads", language)
        options.append((f"{one['id']} · {state}", one["id"]))
    return options


def collections(held: Sequence[tuple[str, int]], language: Language) -> Options:
    """The usual one, and every collection with how many documents it holds."""
    return [
        (say("usual_collection", language), ANYWHERE),
        *((f"{name} · {say('documents_count', language, count=count)}", name) for name, count in held),
    ]


def _agent_label(name: str, about: str, language: Language) -> str:
    """What the house calls its own agents; of an assistant what it says of itself."""
    key = f"agent_{name.rpartition('-')[2]}" if name.startswith(AGENT) else name
    said = say(key, language)
    return (about[:ABOUT_CHARS] or name) if said == key else said
