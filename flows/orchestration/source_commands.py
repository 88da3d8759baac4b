"""The command line `capibara6 sources …`: add, list, sync, remove. It speaks to Prefect's API.

Here a person names files that they may read themselves; over HTTP only those below the settings' roots.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr, ValidationError
from rich.markup import escape
from rich.table import Table

from flows.orchestration import terminal
from flows.orchestration.following import follow
from tools.access.identity import LOCAL
from tools.access.local_files import is_local
from tools.access.source_address import PORTS
from tools.clients.credentials import principal_of
from tools.clients.prefect import Prefect, Run, open_prefect
from tools.clients.sources import NewSource, Source, Sources
from tools.settings import Settings, load_settings

app = typer.Typer(
    help=(
        "Fuentes vivas: carpetas, sitios, buzones y nubes que se mantienen al día. "
        "· Living sources: folders, sites, mail boxes and clouds that are kept up to date."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Name = Annotated[str, typer.Argument(help="Nombre de la fuente. · The source's name.")]
Wait = Annotated[bool, typer.Option("--wait", help="Espera y muestra el registro. · Follow it.")]
Address = Annotated[
    str,
    typer.Argument(
        metavar="PATH|URL",
        help="Carpeta, archivo, https:// (página, sitemap, RSS o Atom), s3://cubo/prefijo, "
        "imaps://usuario@servidor/CARPETA, webdavs://usuario@servidor/ruta. · What to keep up to date.",
    ),
]
Every = Annotated[
    str | None,
    typer.Option(help="Cada cuánto: 15m, 1h, 7d; sin esto, solo con sync. · How often; else only by sync."),
]
Prune = Annotated[
    bool, typer.Option("--prune", help="Borra lo que ya no está. · Delete what left the source.")
]
TextField = Annotated[str, typer.Option(help="Campo JSON con el texto. · JSON field with the text.")]
PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Lee la contraseña de la entrada. · Read the password from stdin."),
]
FOLLOWED_S = 86_400.0


@app.command()
def add(
    address: Address,
    collection: Annotated[str | None, typer.Option(help="Colección. · Collection.")] = None,
    every: Every = None,
    prune: Prune = False,
    name: Annotated[str | None, typer.Option(help="Nombre; si no, según la dirección. · Its name.")] = None,
    text_field: TextField = "",
    password_stdin: PasswordStdin = False,
    wait: Wait = False,
) -> None:
    """Añade una fuente y la lee por primera vez. · Add a source, and read it for the first time.

    La contraseña de imaps:// y webdavs:// se pregunta, se guarda cifrada y no se muestra nunca; «Bearer …»
    es un token de OAuth 2.0 (XOAUTH2), que nadie renueva.
    · The password of imaps:// and webdavs:// is asked for, kept encrypted and never shown; `Bearer …` is a
    token of OAuth 2.0 (XOAUTH2), which nobody renews."""
    settings = load_settings()
    given = {
        "address": _absolute(address),
        "name": name,
        "collection": collection or settings.chat.collection,
        "every": every,
        "prune": prune,
        "text_field": text_field,
        "password": _password(address, from_stdin=password_stdin),
    }

    async def adding() -> tuple[Source, Run]:
        async with open_prefect(settings) as prefect:
            return await _sources(prefect, settings).add(_new(given))

    source, run = terminal.run(adding())
    how = f"cada · every {terminal.every(source.every_s)}" if source.every_s else "con · by sync"
    terminal.console.print(f"[green]✓[/] {source.name} → {source.collection} ({how})")
    _started(run, wait=wait)


@app.command("list")
def list_command() -> None:
    """Las fuentes y cómo acabó su última lectura. · The sources, and how their last reading ended."""
    settings = load_settings()

    async def listing() -> list[Source]:
        async with open_prefect(settings) as prefect:
            return await _sources(prefect, settings).all()

    table = Table(box=None, pad_edge=False)
    titles = (
        "nombre · name",
        "dirección · address",
        "colección",
        "cada · every",
        "última · last",
        "cuándo · when",
    )
    for title in titles:
        table.add_column(title, overflow="fold")
    for source in terminal.run(listing()):
        last = source.last
        table.add_row(
            escape(_shown_name(source, settings)),
            escape(source.address) + (" (--prune)" if source.prune else ""),
            source.collection,
            terminal.every(source.every_s) if source.every_s else "—",
            f"{terminal.state_of(last)} {escape(last.message)}" if last else "—",
            terminal.when(last.started or last.created) if last else "",
        )
    terminal.console.print(table)


@app.command()
def sync(name: Name, wait: Wait = False) -> None:
    """Lee una fuente ahora. · Read a source now."""
    settings = load_settings()

    async def asking() -> Run:
        async with open_prefect(settings) as prefect:
            return await _sources(prefect, settings).sync(name)

    _started(terminal.run(asking()), wait=wait)


@app.command()
def remove(
    name: Name,
    documents: Annotated[
        bool | None,
        typer.Option(
            "--documents/--keep-documents",
            help="Borra también lo que trajo, o no; si no se dice, se pregunta. "
            "· Delete what it brought as well, or not; asked for where it is not said.",
        ),
    ] = None,
    wait: Wait = False,
) -> None:
    """Quita una fuente: no se lee más. · Remove a source: it is read no more.

    Un documento que traen dos fuentes es de la que lo trajo la última vez que cambió; si se borra con ella,
    la otra lo trae de nuevo cuando se lee.
    · A document that two sources bring belongs to the one that brought it when it last changed; deleted with
    that one, the other brings it again when it is next read."""
    settings = load_settings()

    async def looking() -> Source:
        async with open_prefect(settings) as prefect:
            return await _sources(prefect, settings).get(name)

    source = terminal.run(looking())
    question = f"¿Borrar también lo que trajo a «{source.collection}»? · Delete what it brought as well?"
    all_of_it = sys.stdin.isatty() and typer.confirm(question) if documents is None else documents

    async def removing() -> Run | None:
        async with open_prefect(settings) as prefect:
            return await _sources(prefect, settings).remove(name, documents=all_of_it)

    forgetting = terminal.run(removing())
    kept = "" if all_of_it else " (sus documentos se quedan · its documents stay)"
    terminal.console.print(f"[green]✓[/] {escape(name)}{kept}")
    if forgetting is not None:
        _started(forgetting, wait=wait)


def _sources(prefect: Prefect, settings: Settings) -> Sources:
    """Those of whom the command acts for: on this machine the platform, and it sees everybody's."""
    return Sources(prefect, principal_of(settings.act_as) or LOCAL)


def _shown_name(source: Source, settings: Settings) -> str:
    tenant = source.owner.partition("/")[0]
    own = (principal_of(settings.act_as) or LOCAL).tenant
    return source.name if tenant == own else f"{tenant}/{source.name}"


def _new(given: dict[str, Any]) -> NewSource:
    """What was typed, as a source. Raises `typer.BadParameter`."""
    try:
        return NewSource(**given)
    except ValidationError as exc:
        found = exc.errors(include_input=False)[0]
        raise typer.BadParameter(f"{found['loc'][0]}: {found['msg']}") from None


def _started(run: Run, *, wait: bool) -> None:
    if wait:
        terminal.report(follow(run, FOLLOWED_S))
        return
    terminal.console.print(f"{run.name}: capibara6 flows logs -f {run.id}", soft_wrap=True)


def _password(address: str, *, from_stdin: bool) -> SecretStr | None:
    """The password of an address that names a user: typed unseen, or a line of the standard input."""
    asked = address.partition("://")[0] in PORTS and "@" in address
    if from_stdin:
        return SecretStr(sys.stdin.readline().rstrip("\n"))
    if not asked:
        return None
    if not sys.stdin.isatty():
        terminal.errors.print("[red]✗[/] falta la contraseña · the password is missing: --password-stdin")
        raise typer.Exit(1)
    return SecretStr(typer.prompt(f"{address} · contraseña · password", hide_input=True))


def _absolute(address: str) -> str:
    """An address as it is, a path as the worker finds it. Raises `typer.BadParameter`."""
    if "://" in address or not is_local(address):
        return address
    path = Path(address).expanduser().absolute()
    if not any(mark in address for mark in "*?[") and not path.exists():
        raise typer.BadParameter(f"{address}: no existe · does not exist")
    return str(path)
