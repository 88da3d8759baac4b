"""`capibara6 deploy KIND --out DIR`: writes configuration files for three machines; it changes no machine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from servers.deploy.target import Target
from tools.settings import load_command_settings

DEFAULT = Target()


def deploy(
    kind: Annotated[
        str,
        typer.Argument(help="nginx, systemd, compose, firewall, ssh, monitoring, n8n, all", metavar="KIND"),
    ],
    out: Annotated[Path, typer.Option(help="Carpeta de salida. · Folder to write to.")],
    prefix: Annotated[
        Path, typer.Option(help="El clon en las máquinas. · The clone there.")
    ] = DEFAULT.prefix,
    user: Annotated[str, typer.Option(help="Usuario de los servicios. · The services' user.")] = DEFAULT.user,
    tls: Annotated[Path, typer.Option(help="Carpeta del certificado. · The certificate's.")] = DEFAULT.tls,
) -> None:
    """Ficheros para tres máquinas: proxy, unidades, contenedores, cortafuegos… · Files for three machines."""
    from servers.deploy.plan import KINDS, plan  # noqa: PLC0415  (Jinja2 is for this command alone)
    from servers.deploy.render import render  # noqa: PLC0415

    if kind != "all" and kind not in KINDS:
        raise typer.BadParameter(f"{kind}: {', '.join(KINDS)}, all")
    settings = load_command_settings()
    target = Target(prefix=prefix, user=user, tls=tls)
    chosen = list(KINDS) if kind == "all" else [kind]
    try:
        written = [file for each in chosen for file in render(plan(each, settings, target), out)]
    except OSError as exc:
        raise typer.BadParameter(f"{out}: {exc.strerror}", param_hint="--out") from exc
    console = Console(highlight=False, soft_wrap=True)
    for file in written:
        console.print(str(file), markup=False)
