"""A house's own `models.toml`: an entry written or taken out, the rest left as a person wrote it."""

import os
import tempfile
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from servers.pool.catalog.catalog import BUILT_IN, load_catalog, read_toml
from tools.errors import BadRequest, Conflict, ModelNotFound
from tools.schema import JsonObject

HEAD = (
    "Los modelos de esta casa, sobre los incorporados · this house's models, over the built-in ones.\n"
    "`built_in = false` deja solo estos · leaves these alone."
)


def add_model(file: Path, name: str, fields: JsonObject, *, replace: bool = False) -> None:
    """Write the entry `name`. Raises Conflict where the file has it already, BadRequest for what the whole
    catalogue does not bear."""
    document = _read(file)
    models = document.setdefault("models", tomlkit.table(is_super_table=True))
    if name in models and not replace:
        raise Conflict(f"{file} already has {name}: another name, or --replace", param="name", source="pool")
    models[name] = _table(fields)
    _write(file, document)


def add_adapter(file: Path, base: str, name: str, fields: JsonObject, *, replace: bool = False) -> None:
    """Write the adapter `name` into the entry `base`. Raises as `add_model`."""
    document = _read(file)
    models = document.setdefault("models", tomlkit.table(is_super_table=True))
    entry = models.setdefault(base, tomlkit.table())
    adapters = entry.setdefault("adapters", tomlkit.table(is_super_table=True))
    if name in adapters and not replace:
        raise Conflict(f"{base} already has {name}: another name, or --replace", param="name", source="pool")
    adapters[name] = _table(fields)
    _write(file, document)


def remove_model(file: Path, name: str) -> JsonObject:
    """Take out an entry or an adapter and return what it said. Raises ModelNotFound, BadRequest for a
    built-in model, or where another model or table needs it."""
    document = _read(file)
    models: Any = document.get("models", {})
    owners = [models, *(entry["adapters"] for entry in models.values() if "adapters" in entry)]
    owner = next((tables for tables in owners if name in tables), None)
    if owner is None:
        if name in read_toml(BUILT_IN)["models"]:
            why = "comes with capibara6; `built_in = false` leaves out all of those"
            raise BadRequest(f"{name} {why}", param="model", source="pool")
        raise ModelNotFound(f"{file} has no model {name[:100]!r}", param="model", source="pool")
    fields: JsonObject = owner[name].unwrap()
    del owner[name]
    _write(file, document)
    return fields


def _table(fields: JsonObject) -> Any:
    table = tomlkit.table()
    for name, value in fields.items():
        table[name] = value
    return table


def _read(file: Path) -> Any:
    try:
        return tomlkit.parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        document = tomlkit.document()
        for line in HEAD.splitlines():
            document.add(tomlkit.comment(line))
        return document
    except (TOMLKitError, ValueError) as exc:
        raise BadRequest(f"{file}: {exc}", param="catalog", source="pool") from exc


def _write(file: Path, document: Any) -> None:
    """The whole file or the old one, and only a catalogue that can be read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    written = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(tomlkit.dumps(document))
        try:
            load_catalog(written)
        except ValueError as exc:
            said = str(exc).replace(str(written), str(file))
            raise BadRequest(said, param="catalog", source="pool") from exc
        written.chmod(0o644)
        written.replace(file)
    finally:
        written.unlink(missing_ok=True)
