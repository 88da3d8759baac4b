"""Which MCP servers of others there are: those of the settings, and those of a file in the form that every
client reads (`mcpServers`). The file may hold secrets: only its owner may read it."""

import json
import os
import shlex
from pathlib import Path
from typing import Any

from pydantic import SecretStr, TypeAdapter, ValidationError

from tools.errors import BadRequest, Conflict, Forbidden
from tools.mcp.options import McpServer, ServerName
from tools.settings import Settings

ROOTS = ("mcpServers", "servers")
"""What clients call the object that holds them."""
_servers: TypeAdapter[dict[str, McpServer]] = TypeAdapter(dict[ServerName, McpServer])


def servers_file(settings: Settings) -> Path:
    """Where the file is, or would be."""
    return (settings.mcp.file or settings.home / "mcp.json").expanduser().absolute()


def read_servers(settings: Settings) -> dict[str, McpServer]:
    """Every server by name, without those that are disabled. Raises BadRequest for a file that is none."""
    found = {**read_file(servers_file(settings)), **settings.agents.mcp}
    return {name: server for name, server in found.items() if not server.disabled}


def read_file(path: Path) -> dict[str, McpServer]:
    """The servers of a file; none where it is not there. Raises BadRequest, which names what is wrong."""
    try:
        return _servers.validate_python(_held(path))
    except ValidationError as exc:
        error = exc.errors()[0]
        where = ".".join(str(part) for part in error["loc"])
        raise BadRequest(f"{path}: {where}: {error['msg']}", param=where, source="mcp") from exc


def add_server(settings: Settings, name: str, server: McpServer) -> Path:
    """Write one server into the file. Raises Conflict for a name that is taken, BadRequest, Forbidden."""
    path = servers_file(settings)
    held = _held(path)
    if name in held or name in settings.agents.mcp:
        raise Conflict(f"there is a server {name!r} already", param="name", source="mcp")
    try:
        _servers.validate_python({name: server})
    except ValidationError as exc:
        raise BadRequest(f"{name!r} is no name: letters, digits and -, at most 32", param="name") from exc
    if server.command:
        check_command(server, settings.mcp.commands)
    given = server.model_dump(mode="json", exclude_defaults=True) | _secrets(server)
    text = json.dumps({"mcpServers": {**held, name: given}}, indent=2, ensure_ascii=False)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text + "\n")
    fresh.replace(path)
    return path


def check_command(server: McpServer, allowed: tuple[str, ...]) -> None:
    """Raises Forbidden unless the settings name the program, with the arguments that it begins with."""
    for line in allowed:
        words = tuple(shlex.split(line))
        if words and server.line[: len(words)] == words:
            return
    why = "CAPIBARA6_MCP__COMMANDS names the programs that may be started"
    raise Forbidden(f"{shlex.join(server.line[:3])} is none of them: {why}", param="command", source="mcp")


def _held(path: Path) -> dict[str, Any]:
    """The file's servers as they stand there."""
    try:
        body = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise BadRequest(f"{path} can not be read: {exc}", source="mcp") from exc
    root = next((name for name in ROOTS if isinstance(body, dict) and isinstance(body.get(name), dict)), None)
    if root is None:
        raise BadRequest(f"{path} has no object `mcpServers`", source="mcp")
    return body[root]


def _secrets(server: McpServer) -> dict[str, Any]:
    """The fields that a dump would hide."""
    told: dict[str, Any] = {
        name: {key: value.get_secret_value() for key, value in values.items()}
        for name, values in (("env", server.env), ("headers", server.headers))
        if values
    }
    if server.oauth:
        plain = server.oauth.model_dump(exclude_none=True)
        told["oauth"] = {
            key: value.get_secret_value() if isinstance(value, SecretStr) else value
            for key, value in plain.items()
        }
    return told
