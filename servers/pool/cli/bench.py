"""`capibara6 models test|bench NAME`: one question to a model; first token, tokens a second, memory.

The running pool is asked where it has the model; else a pool of its own is started for it (`trial.py`).
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from servers.pool.catalog.catalog import Catalog, ModelSpec, load_user_catalog
from servers.pool.cli import measure
from servers.pool.cli.asking import failed, finish
from servers.pool.cli.measure import Bench, Measured
from servers.pool.cli.trial import open_trial
from servers.pool.cli.words import word
from tools.clients.pool import Pool, open_pool
from tools.errors import BadRequest, Capibara6Error, ModelNotFound, Unavailable
from tools.schema import JsonObject
from tools.settings import Settings, load_command_settings

AnswerT = TypeVar("AnswerT")
Name = Annotated[str, typer.Argument(help="Modelo del catálogo · a model of the catalogue")]
STREAMS = (1, 8)
MIB = 2**20


def test(name: Name) -> None:
    """Hace una pregunta a un modelo · ask a model one question."""
    settings, console = load_command_settings(), Console()
    spec = known(settings, name)

    async def one_question(pool: Pool) -> Measured:
        return await measure.try_model(pool, name, spec.kind, settings.language)

    with console.status(word("trying", settings.language, name=name)):
        measured = _over_a_pool(settings, spec, one_question)
    show_answer(console, settings, measured)


def bench(
    name: Name,
    tokens: Annotated[int, typer.Option(min=8, max=4096, help="Tokens por respuesta · an answer")] = 128,
    as_json: Annotated[bool, typer.Option("--json", help="En JSON · as JSON.")] = False,
) -> None:
    """Mide el primer token, los tokens por segundo con 1 y 8 a la vez, y la memoria · measure a model."""
    settings, console = load_command_settings(), Console()
    spec = known(settings, name)
    if spec.kind != "chat":
        wrong = BadRequest(f"{name} is a {spec.kind} model: bench measures chat models", param="model")
        raise failed(settings, wrong)

    async def rows(pool: Pool) -> tuple[list[Bench], int]:
        language = settings.language
        await measure.bench(pool, name, language, streams=1, tokens=8)  # loaded and warm
        found = [
            await measure.bench(pool, name, language, streams=streams, tokens=tokens) for streams in STREAMS
        ]
        return found, await measure.memory_of(pool, name)

    with console.status(word("measuring", settings.language, name=name)):
        found, memory = _over_a_pool(settings, spec, rows)
    if as_json:
        told = {"model": name, "memory_bytes": memory, "streams": [vars(row) for row in found]}
        typer.echo(json.dumps(told))
        return
    console.print(_table(settings, found))
    console.print(f"{word('memory', settings.language)}: {f'{memory // MIB} MiB' if memory else '—'}")


def show_answer(console: Console, settings: Settings, measured: Measured) -> None:
    """What a model said to its trial question, and how fast."""
    name = "answered" if measured.tokens else "answered_at_once" if measured.text else "loaded_alone"
    values = {"load": measured.load_s, "first": measured.first_s, "rate": measured.rate}
    values |= {"text": measured.text.strip()}
    console.print(f"[green]✓[/] {escape(word(name, settings.language, **values))}", highlight=False)


def known(settings: Settings, name: str) -> ModelSpec:
    """The spec of a model of these settings. Raises typer.Exit with the error shown."""
    try:
        return read_catalog(settings).spec(name)
    except Capibara6Error as exc:
        raise failed(settings, exc) from exc


def read_catalog(settings: Settings) -> Catalog:
    """The catalogue of these settings. Raises BadRequest for one that can not be read."""
    try:
        return load_user_catalog(settings)
    except (OSError, ValueError) as exc:
        raise BadRequest(str(exc), param="catalog", source="pool") from exc


def entries(catalog: Catalog, spec: ModelSpec) -> JsonObject:
    """The catalogue's entries that a pool needs to serve `spec` alone: its own, or its base's."""
    base = catalog.models[spec.engine]
    left_out = {"id", "fallbacks", "pinned"}
    return {base.id: base.model_dump(mode="json", exclude_unset=True, exclude_none=True, exclude=left_out)}


def _over_a_pool(settings: Settings, spec: ModelSpec, call: Callable[[Pool], Awaitable[AnswerT]]) -> AnswerT:
    async def run() -> AnswerT:
        async with _pool_with(settings, spec) as pool:
            return await call(pool)

    return finish(settings, run())


@asynccontextmanager
async def _pool_with(settings: Settings, spec: ModelSpec) -> AsyncIterator[Pool]:
    """The running pool where it has the model, else one of its own."""
    async with open_pool(settings) as pool:
        try:
            await pool.model(spec.id)
        except (ModelNotFound, Unavailable):
            running = False
        else:
            running = True
        if running:
            yield pool
            return
    async with open_trial(settings, entries(read_catalog(settings), spec)) as pool:
        yield pool


def _table(settings: Settings, rows: list[Bench]) -> Table:
    heads = ("streams", "first", "rate", "rate_each")
    table = Table(*(word(head, settings.language) for head in heads))
    for row in rows:
        table.add_row(str(row.streams), f"{row.first_s:.2f} s", f"{row.rate:.1f}", f"{row.rate_each:.1f}")
    return table
