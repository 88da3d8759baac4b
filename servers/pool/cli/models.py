"""`capibara6 models`: lists, loads, unloads and pulls the pool's models, and mounts what brings and measures
one (`bring.py`, `bench.py`). Mounted by the main command."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from servers.pool.catalog.catalog import load_user_catalog
from servers.pool.cli.asking import ask, failed
from servers.pool.cli.bench import bench, test
from servers.pool.cli.bring import add, remove, show
from tools.clients.pool import ModelInfo, Pool
from tools.errors import Capibara6Error
from tools.settings import Settings, load_command_settings

Name = Annotated[str, typer.Argument(help="Modelo del catálogo · a model of the catalogue")]
COLOURS = {"loaded": "green", "loading": "yellow", "available": "cyan", "failed": "red"}
STATES = {"loaded": "cargado", "loading": "cargando", "available": "disponible", "failed": "fallido"}

app = typer.Typer(
    help="Modelos: list, add, show, test, bench, load, unload, pull, remove · the pool's models.",
    no_args_is_help=True,
)


@app.command("list")
def list_models() -> None:
    """Los modelos, qué los sirve y por qué no · the models, what serves them and why not."""
    settings, console = load_command_settings(), Console()
    models = ask(settings, Pool.models)
    spanish = settings.language == "es"
    headers = ("Modelo", "Dominio", "Estado", "Motivo") if spanish else ("Model", "Domain", "State", "Reason")
    table = Table(*headers)
    for model in models:
        colour = COLOURS.get(model.get("status", ""), "white")
        state = f"[{colour}]{_state(model, settings)}[/]"
        table.add_row(model["id"], model.get("domain", ""), state, model.get("reason") or "")
    console.print(table)


@app.command()
def load(name: Name) -> None:
    """Carga un modelo y espera a que esté listo · load a model and wait until it is ready."""
    settings, console = load_command_settings(), Console()
    with console.status(f"{'Cargando' if settings.language == 'es' else 'Loading'} {name}…"):
        model = ask(settings, lambda pool: pool.load(name))
    console.print(f"{name}: {_state(model, settings)}")


@app.command()
def unload(name: Name) -> None:
    """Descarga un modelo de la memoria · unload a model from memory."""
    settings = load_command_settings()
    model = ask(settings, lambda pool: pool.unload(name))
    Console().print(f"{name}: {_state(model, settings)}")


@app.command()
def pull(
    name: Name,
    update: Annotated[bool, typer.Option(help="Acepta otra revisión · accept another revision.")] = False,
) -> None:
    """Trae los pesos del hub, fijados a una revisión · fetch the weights, pinned to a revision."""
    from servers.pool.catalog.download import pull as pull_weights  # noqa: PLC0415  (the hub's client is slow to load)

    settings, console = load_command_settings(), Console()
    spanish = settings.language == "es"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=None)

        def show(file: str, done: int, total: int) -> None:
            progress.update(task, description=file or name, completed=done, total=total)

        try:
            spec = load_user_catalog(settings).spec(name)
            folder = pull_weights(spec, settings.pool.weights.absolute(), progress=show, update=update)
        except Capibara6Error as exc:
            raise failed(settings, exc) from exc
    console.print(f"{'Pesos en' if spanish else 'Weights in'} {folder}")


def _state(model: ModelInfo, settings: Settings) -> str:
    spanish = settings.language == "es"
    if not model.get("available"):
        return "no disponible" if spanish else "missing"
    status: str = model.get("status", "")
    return STATES.get(status, status) if spanish else status


for command in (add, show, test, bench, remove):
    app.command()(command)
