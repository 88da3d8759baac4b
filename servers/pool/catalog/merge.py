"""A house's own catalogue laid over the built-in one. Pure: tables in, tables out; nothing is checked here.

`built_in = false` leaves the built-in models and tables out. A model of a built-in name is changed field by
field; where it names another backend, only what describes the model is kept of the built-in one.
"""

from collections.abc import Iterator

from tools.schema import JsonObject

DESCRIBING = ("description", "domain", "level", "cost", "examples", "fallbacks")
"""Fields that say what a model is for, whatever serves it."""
ADAPTED = ("description", "domain", "level")
"""Fields that an adapter may have of its own; the others are its base's."""
NOT_ADAPTED = ("adapters", "pinned", "ollama")
"""Fields of a base that its adapters have not: a tag of Ollama would answer without the adapter."""


def merge(built_in: JsonObject, own: JsonObject) -> JsonObject:
    """The tables of `own` over those of `built_in`, its models first."""
    own = dict(own)
    if own.pop("built_in", True) is False:
        return own
    models: JsonObject = own.pop("models", {})
    others: JsonObject = built_in["models"]
    named = {name: _over(others.get(name, {}), fields) for name, fields in models.items()}
    tables = {name: _table(built_in.get(name), table) for name, table in own.items()}
    return {**built_in, **tables, "models": {**named, **{k: v for k, v in others.items() if k not in named}}}


def expand_adapters(models: JsonObject) -> JsonObject:
    """The models by id, each adapter as a model beside its base. Raises ValueError for a name used twice."""
    expanded: JsonObject = {}
    for name, base in models.items():
        expanded[name] = {**base, "id": name}
        for adapter, fields in _adapters(name, base):
            if adapter in models or adapter in expanded:
                raise ValueError(f"models.{name}.adapters.{adapter}: the name is taken")
            expanded[adapter] = fields
    return expanded


def misshapen(raw: JsonObject) -> str | None:
    """The first place of a catalogue where a table is wanted and something else stands; None if none."""
    models = raw.get("models", {})
    if not isinstance(models, dict):
        return "models"
    for name, fields in models.items():
        if not isinstance(fields, dict):
            return f"models.{name}"
        adapters = fields.get("adapters", {})
        if not isinstance(adapters, dict) or not all(isinstance(own, dict) for own in adapters.values()):
            return f"models.{name}.adapters"
    return None


def _adapters(name: str, base: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    shared = {field: value for field, value in base.items() if field not in NOT_ADAPTED}
    for adapter, own in base.get("adapters", {}).items():
        described = {field: own[field] for field in ADAPTED if field in own}
        place = {"id": adapter, "adapter_of": name, "adapter": own.get("weights")}
        yield adapter, {**shared, **described, **place}


def _over(base: JsonObject, own: JsonObject) -> JsonObject:
    if own.get("backend", base.get("backend")) != base.get("backend"):
        base = {field: value for field, value in base.items() if field in DESCRIBING}
    return {**base, **own}


def _table(base: object, own: object) -> object:
    return {**base, **own} if isinstance(base, dict) and isinstance(own, dict) else own
