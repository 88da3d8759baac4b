"""How a command asks the bridge: as the platform, once, in the language of the settings."""

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import typer
from rich.console import Console
from rich.table import Table

from tools.clients.bridge import Bridge, open_bridge
from tools.settings import Settings, load_command_settings

T = TypeVar("T")


class Asking:
    """One command's settings and console."""

    def __init__(self) -> None:
        self.settings: Settings = load_command_settings()
        self.console = Console(soft_wrap=True, highlight=False)

    def bridge(self, ask: Callable[[Bridge], Awaitable[T]]) -> T:
        """What `ask` gets of the bridge. Raises `tools.errors`."""

        async def run() -> T:
            async with open_bridge(self.settings) as bridge:
                return await ask(bridge)

        return asyncio.run(run())

    def text(self, spanish: str, english: str) -> str:
        """The one in the language of the settings."""
        return spanish if self.settings.language == "es" else english

    def say(self, spanish: str, english: str) -> None:
        """Print the one in the language of the settings, as it is."""
        self.console.print(self.text(spanish, english), markup=False)

    def table(self, spanish: Sequence[str], english: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print rows under the headings in the language of the settings; None is an empty cell."""
        view = Table(*(spanish if self.settings.language == "es" else english))
        for row in rows:
            view.add_row(*("" if cell is None else str(cell) for cell in row))
        self.console.print(view)

    def password(self, *, from_stdin: bool) -> str:
        """A password: the first line of the standard input, or asked for twice without echo."""
        if from_stdin:
            return sys.stdin.readline().rstrip("\r\n")
        return typer.prompt(
            self.text("Contraseña", "Password"), hide_input=True, confirmation_prompt=True, type=str
        )


def generated_password() -> str:
    """96 random bits, 16 characters."""
    return secrets.token_urlsafe(12)


def shown(moment: str | None) -> str:
    """An ISO 8601 time to the second; empty for None."""
    return (moment or "")[:19]


def quota_fields(
    requests: int | None, tokens: int | None, audio_s: float | None, passages: int | None
) -> dict[str, float]:
    """The fields of a quota that were given."""
    given = {"requests": requests, "tokens": tokens, "audio_s": audio_s, "passages": passages}
    return {name: value for name, value in given.items() if value is not None}
