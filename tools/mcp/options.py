"""Settings of MCP, both ways: what our server offers, and the servers of others whose tools agents may use.

A server is written as in every client's `mcpServers`; a field that means nothing here is refused by name.
"""

from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

Toolset = Literal["knowledge", "agents", "data", "speech", "write"]
TOOLSETS: tuple[Toolset, ...] = get_args(Toolset)
ServerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,32}$")]
"""Without an underscore: `name__tool` can be read in one way."""


class Mcp(BaseModel):
    """`toolsets` are those that our server has for anybody; without the header `x-mcp-toolsets` a client is
    offered all of them but `write`. Sessions are those of clients older than 2026-07-28.

    `commands` are the programs that an MCP server of others may be started with, each with the arguments
    that must come first (`npx -y @scope/server`): nothing else is ever started. `file` holds servers in the
    form of `mcpServers`, by default `mcp.json` in the home."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    toolsets: tuple[Toolset, ...] = TOOLSETS
    sessions: int = Field(default=1_000, ge=1)
    session_idle_s: float = Field(default=900.0, gt=0)
    commands: tuple[str, ...] = ()
    file: Path | None = None


class ClientCredentials(BaseModel):
    """OAuth 2 client credentials; `issuer` is the only authorization server that may see them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: str
    client_secret: SecretStr
    issuer: str | None = None
    scope: str | None = None


class McpServer(BaseModel):
    """A server of others: a program (`command`) or an address (`url`), never both.

    `users` are who may use it, each `tenant/user` or a role, by default everybody. The tools of a `trusted`
    server that say they only read need nobody's yes; those of others always do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["stdio", "http", "streamable-http", "streamableHttp"] | None = None
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, SecretStr] = {}
    cwd: Path | None = None
    url: str | None = None
    headers: dict[str, SecretStr] = {}
    oauth: ClientCredentials | None = None
    disabled: bool = False
    users: tuple[str, ...] = ()
    trusted: bool = False
    timeout_s: float = Field(default=30.0, gt=0, le=600)

    @model_validator(mode="before")
    @classmethod
    def _address(cls, value: object) -> object:
        """An address alone is a server too."""
        return {"url": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_kind(self) -> "McpServer":
        if (self.command is None) == (self.url is None):
            raise ValueError("a server has a command or a url")
        if self.url is not None:
            parts = urlsplit(self.url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                why = "a program is named by `command` and `args`" if " " in self.url else "give http(s)://…"
                raise ValueError(f"{self.url!r} is no address: {why}")
        strange = ("args", "env", "cwd") if self.url else ("headers", "oauth")
        if given := next((name for name in strange if getattr(self, name)), None):
            raise ValueError(f"{given} means nothing for a {'url' if self.url else 'command'}")
        if self.type is not None and (self.type == "stdio") != (self.command is not None):
            raise ValueError(f"type {self.type} does not fit")
        return self

    @property
    def line(self) -> tuple[str, ...]:
        """The program with its arguments; empty for an address."""
        return (self.command, *self.args) if self.command else ()
