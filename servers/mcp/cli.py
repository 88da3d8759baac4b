"""`capibara6 mcp`: our server over stdin and stdout, and the MCP servers of others whose tools agents use."""

from typing import Annotated

import typer

from tools.settings import load_settings

app = typer.Typer(help="Servidores MCP: el nuestro y los de otros. · MCP servers.", no_args_is_help=True)


@app.command("stdio")
def serve_stdio(
    url: Annotated[
        str | None, typer.Argument(help="https://…/mcp; por defecto, el de aquí. · By default, this one.")
    ] = None,
    toolsets: Annotated[str | None, typer.Option(help="knowledge,agents,data,speech,write | all")] = None,
) -> None:
    """Sirve MCP por la entrada y salida estándar; la llave, en CAPIBARA6_API_KEY. · Serve MCP over stdio."""
    from servers.mcp.main import run_stdio  # noqa: PLC0415

    try:
        run_stdio(load_settings(), url=url, toolsets=toolsets)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc
