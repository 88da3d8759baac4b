"""`capibara6 models add|show|remove`: a model of one's own, looked at, tried with a question, noted."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from servers.pool.catalog.catalog import ModelSpec, read_toml, user_catalog
from servers.pool.catalog.kinds import Kind
from servers.pool.catalog.proposal import model_id
from servers.pool.catalog.sources.facts import Facts
from servers.pool.catalog.user_file import add_adapter, add_model, remove_model
from servers.pool.cli import measure
from servers.pool.cli.asking import failed, finish
from servers.pool.cli.bench import entries, known, read_catalog, show_answer
from servers.pool.cli.bringing import Brought, Wish, bring, look
from servers.pool.cli.measure import Measured
from servers.pool.cli.trial import open_trial
from servers.pool.cli.words import word
from servers.pool.engines.vllm import adapter_rank
from tools.clients.pool import ModelInfo, open_pool
from tools.errors import BadRequest, Capibara6Error
from tools.schema import JsonObject
from tools.settings import Settings, load_command_settings

GB = 1e9
WHAT = "Carpeta, .gguf, id del hub, nombre de Ollama o URL · folder, .gguf, hub id, Ollama name, URL"


def add(
    name: Annotated[
        str, typer.Argument(help="Su nombre aquí, o la fuente misma · its name here, or the source")
    ],
    source: Annotated[str | None, typer.Argument(help=WHAT)] = None,
    domain: Annotated[str | None, typer.Option(help="general, technical, coding, expert…")] = None,
    kind: Annotated[str | None, typer.Option(help="chat, embedding, rerank, transcription, speech")] = None,
    base: Annotated[
        str | None, typer.Option(help="La base de un adaptador LoRA · a LoRA adapter's base")
    ] = None,
    upstream: Annotated[str | None, typer.Option(help="Su nombre en la URL · its name at the URL")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="Fichero con la clave de la URL · the URL's key")
    ] = None,
    replace: Annotated[
        bool, typer.Option(help="En lugar del que hay · in place of the one there is")
    ] = False,
    test: Annotated[bool, typer.Option(help="Pruébalo antes con una pregunta · try it first")] = True,
) -> None:
    """Trae un modelo: lo examina, lo prueba y lo apunta en tu catálogo · bring a model of your own."""
    settings, console = load_command_settings(), Console()
    try:
        wish = Wish(source or name, name if source else None, domain, kind, upstream, key_file, replace)
        if base:
            _add_adapter(settings, console, wish, base, test=test)
            return
        facts = look(settings, wish)
        console.print(_facts_table(settings, facts))
        brought = bring(settings, console, wish, facts)
        if test:
            _try(
                settings, console, brought.name, {brought.name: brought.fields}, brought.kind, facts.template
            )
        add_model(user_catalog(settings), brought.name, brought.fields, replace=replace)
    except Capibara6Error as exc:
        raise failed(settings, exc) from exc
    _say_added(settings, console, brought)


def show(name: Annotated[str, typer.Argument(help="Modelo del catálogo · a model of the catalogue")]) -> None:
    """Lo que se sabe de un modelo · what is known of a model."""
    settings, console = load_command_settings(), Console()
    spec = known(settings, name)
    console.print(_spec_table(settings, spec, _state(settings, name)))


def remove(
    name: Annotated[str, typer.Argument(help="Modelo de tu catálogo · a model of your catalogue")],
    weights: Annotated[bool, typer.Option(help="Borra también sus pesos · delete its weights too")] = False,
) -> None:
    """Quita un modelo de tu catálogo · take a model out of your catalogue."""
    settings, console = load_command_settings(), Console()
    file = user_catalog(settings)
    try:
        fields = remove_model(file, name)
    except Capibara6Error as exc:
        raise failed(settings, exc) from exc
    console.print(word("removed", settings.language, name=name, file=file), highlight=False)
    root = settings.pool.weights.absolute()
    folder = root / fields["weights"] if fields.get("weights") else None
    if folder is None or not folder.is_dir():
        return
    ours = folder.resolve().is_relative_to(root.resolve()) and folder.resolve() != root.resolve()
    if weights and ours:
        shutil.rmtree(folder)
    console.print(
        word("deleted" if weights and ours else "kept", settings.language, folder=folder), highlight=False
    )


def _add_adapter(settings: Settings, console: Console, wish: Wish, base: str, *, test: bool) -> None:
    """Raises BadRequest where there is no adapter, ModelNotFound without its base."""
    folder = Path(wish.source).expanduser().resolve()
    catalog = read_catalog(settings)
    spec = catalog.spec(base)
    if adapter_rank(folder) is None:
        raise BadRequest(
            f"{folder} holds no LoRA adapter (adapter_config.json)", param="source", source="pool"
        )
    if spec.backend != "vllm" or spec.adapter_of:
        raise BadRequest(f"{base} can carry no adapter: vLLM serves them", param="base", source="pool")
    name = model_id(wish.name or folder.name)
    fields: JsonObject = {"weights": str(folder)} | ({"domain": wish.domain} if wish.domain else {})
    if test:
        models = entries(catalog, spec)
        models[base].setdefault("adapters", {})[name] = fields
        _try(settings, console, name, models, spec.kind, template=True)
    add_adapter(user_catalog(settings), base, name, fields, replace=wish.replace)
    _say_added(settings, console, Brought(name, fields, spec.kind))


def _try(
    settings: Settings, console: Console, name: str, models: JsonObject, kind: Kind, template: bool | None
) -> None:
    """Raises typer.Exit where the model does not answer."""

    async def one_question() -> Measured:
        async with open_trial(settings, models) as pool:
            return await measure.try_model(
                pool, name, kind, settings.language, template=template is not False
            )

    try:
        with console.status(word("trying", settings.language, name=name)):
            measured = finish(settings, one_question())
    except typer.Exit:
        Console(stderr=True).print(word("not_added", settings.language, name=name), highlight=False)
        raise
    show_answer(console, settings, measured)


def _say_added(settings: Settings, console: Console, brought: Brought) -> None:
    said = word("added", settings.language, name=brought.name, file=user_catalog(settings))
    console.print(f"[green]✓[/] {escape(said)}", highlight=False)


def _state(settings: Settings, name: str) -> ModelInfo | None:
    """What the running pool says of a model; None where it does not run, or does not know it yet."""

    async def ask() -> ModelInfo | None:
        async with open_pool(settings) as pool:
            try:
                return await pool.model(name)
            except Capibara6Error:
                return None

    return finish(settings, ask())


def _facts_table(settings: Settings, facts: Facts) -> Table:
    yes_no = {True: word("yes", settings.language), False: word("no", settings.language), None: None}
    size = f"{facts.weight_bytes / GB:.2f} GB" if facts.weight_bytes else None
    rows = {
        "source": _shown(next(iter(facts.place.values()), None)),
        "backend": facts.backend,
        "kind": facts.kind,
        "architecture": facts.architecture,
        "parameters": f"{facts.parameters / 1e6:,.0f} M" if facts.parameters else None,
        "weights": size,
        "context": facts.context_tokens,
        "quantization": facts.quantization,
        "template": yes_no[facts.template],
        "abilities": ", ".join(sorted(facts.abilities)) if facts.abilities else None,
        "note": "\n".join(facts.notes) or None,
    }
    return _table(settings, rows)


def _spec_table(settings: Settings, spec: ModelSpec, state: ModelInfo | None) -> Table:
    file = user_catalog(settings)
    own = file.is_file() and spec.engine in _named(file)
    rows = {
        "source": spec.hub or spec.ollama or ", ".join(spec.urls) or spec.weights,
        "backend": spec.backend,
        "kind": spec.kind,
        "domain": f"{spec.domain} · {spec.description}",
        "weights": settings.pool.weights.absolute() / spec.weights if spec.weights else None,
        "args": " ".join(spec.args) or None,
        "abilities": ", ".join(sorted(spec.abilities)) if spec.abilities else None,
        "adapters": ", ".join(spec.adapters) or None,
        "state": _told(state) or word("not_running", settings.language),
        "file": file if own else word("built_in", settings.language),
    }
    return _table(settings, rows)


def _shown(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _told(state: ModelInfo | None) -> str | None:
    return f"{state.get('status')}. {state.get('reason') or ''}".rstrip(". ") if state else None


def _named(file: Path) -> frozenset[str]:
    return frozenset(read_toml(file).get("models", {}))


def _table(settings: Settings, rows: JsonObject) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        if value is not None:
            table.add_row(f"[bold]{word(name, settings.language)}[/]", escape(str(value)))
    return table
