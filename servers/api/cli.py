"""`capibara6 assistants`: agents made without code, over the API's HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from tools.clients.assistants import Assistants, open_assistants
from tools.schema import JsonObject
from tools.settings import load_command_settings

app = typer.Typer(
    help="Asistentes: list, show, create, update, versions, use, delete · agents made without code.",
    no_args_is_help=True,
)
T = TypeVar("T")
Id = Annotated[str, typer.Argument(help="Identificador, también su nombre como modelo · id.")]
Called = Annotated[str | None, typer.Option("--name", help="Nombre · name.")]
Described = Annotated[str | None, typer.Option("--description", help="Descripción · description.")]
Graph = Annotated[str | None, typer.Option("--agent", help="Agente del que se hace · agent it is made of.")]
Instructions = Annotated[
    str | None, typer.Option(help="Instrucciones, o @archivo · instructions, or @file with them.")
]
Collections = Annotated[
    list[str] | None, typer.Option("--collection", help="Colección, se repite · collection, repeated.")
]
Model = Annotated[str | None, typer.Option(help="Modelo, o auto · model, or auto.")]
Tools = Annotated[list[str] | None, typer.Option("--tool", help="Herramienta, se repite · tool, repeated.")]
Language = Annotated[Literal["es", "en"] | None, typer.Option(help="Idioma · language.")]
Voice = Annotated[str | None, typer.Option(help="Voz con que lee · voice it reads with.")]
Share = Annotated[bool | None, typer.Option("--share/--private", help="Con todos · with everybody.")]


@app.command("list")
def list_assistants() -> None:
    """Los agentes y asistentes que hay · agents and assistants there are."""
    settings = load_command_settings()
    heads = {
        "es": ("Id", "Nombre", "Agente", "Versión", "Dueño"),
        "en": ("Id", "Name", "Agent", "Version", "Owner"),
    }
    view = Table(*heads[settings.language])
    for row in _ask(lambda assistants: assistants.list_all()):
        view.add_row(
            row["assistant_id"], row["name"], row["graph_id"], str(row["version"]), row["owner"] or "—"
        )
    Console(soft_wrap=True, highlight=False).print(view)


@app.command()
def show(assistant: Id) -> None:
    """Lo que dice un asistente · what an assistant says."""
    _show(_ask(lambda assistants: assistants.get(assistant)))


@app.command()
def create(
    assistant: Id,
    name: Called = None,
    description: Described = None,
    agent: Graph = None,
    instructions: Instructions = None,
    collection: Collections = None,
    model: Model = None,
    tool: Tools = None,
    language: Language = None,
    voice: Voice = None,
    share: Share = None,
) -> None:
    """Hace un asistente · make an assistant."""
    context = _context(instructions, collection, model, tool, language, voice)
    content = _content(name or assistant, description, agent, share, context)
    _show(_ask(lambda assistants: assistants.create(assistant, content)))


@app.command()
def update(
    assistant: Id,
    name: Called = None,
    description: Described = None,
    agent: Graph = None,
    instructions: Instructions = None,
    collection: Collections = None,
    model: Model = None,
    tool: Tools = None,
    language: Language = None,
    voice: Voice = None,
    share: Share = None,
) -> None:
    """Lo cambia en una versión nueva; lo que no se dice queda · change it in a new version."""
    context = _context(instructions, collection, model, tool, language, voice)

    async def change(assistants: Assistants) -> JsonObject:
        kept: JsonObject = (await assistants.get(assistant))["context"] if context else {}
        if "collections" in context:
            kept.pop("collection", None)
        merged = {**kept, **context}
        return await assistants.update(assistant, _content(name, description, agent, share, merged))

    _show(_ask(change))


@app.command()
def versions(assistant: Id) -> None:
    """Sus versiones, la última primero · its versions, newest first."""
    for row in _ask(lambda assistants: assistants.versions(assistant)):
        _show(row)


@app.command()
def use(assistant: Id, version: int) -> None:
    """Pone una versión en uso · put a version in force."""
    _show(_ask(lambda assistants: assistants.use(assistant, version)))


@app.command()
def delete(assistant: Id) -> None:
    """Lo borra con sus versiones; las conversaciones quedan · delete it; conversations stay."""
    _ask(lambda assistants: assistants.delete(assistant))


def _ask(ask: Callable[[Assistants], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_assistants(load_command_settings()) as assistants:
            return await ask(assistants)

    return asyncio.run(run())


def _context(
    instructions: str | None,
    collections: list[str] | None,
    model: str | None,
    tools: list[str] | None,
    language: str | None,
    voice: str | None,
) -> JsonObject:
    if instructions is not None and instructions.startswith("@"):
        path = Path(instructions[1:])
        if not path.is_file():
            raise typer.BadParameter(f"{path}: no existe · does not exist")
        instructions = path.read_text("utf-8")
    given = {
        "instructions": instructions,
        "collections": collections or None,
        "model": model,
        "tools": tools or None,
        "language": language,
        "voice": voice,
    }
    return {key: value for key, value in given.items() if value is not None}


def _content(
    name: str | None, description: str | None, agent: str | None, share: bool | None, context: JsonObject
) -> JsonObject:
    metadata = None if share is None else {"sharing": "everybody" if share else "private"}
    given = {"name": name, "description": description, "graph_id": agent, "metadata": metadata}
    given["context"] = context or None
    return {key: value for key, value in given.items() if value is not None}


def _show(row: JsonObject) -> None:
    shown = ("assistant_id", "name", "description", "graph_id", "version", "owner", "context", "metadata")
    console = Console(soft_wrap=True, highlight=False)
    console.print_json(data={key: row[key] for key in shown})
