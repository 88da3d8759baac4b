"""What the commands about flows write on a terminal, and how their errors end them."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from tools.clients.prefect import INCOMPLETE, Run
from tools.error_messages import sentence
from tools.errors import Capibara6Error
from tools.schema import JsonObject
from tools.settings import load_settings

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
COLOURS = {"COMPLETED": "green", "FAILED": "red", "CRASHED": "red", "CANCELLED": "yellow", "RUNNING": "cyan"}
INCOMPLETE_STATUS = 3
"""Of the command, when the run did its work and some of what it was given was refused."""
CANCELLED_STATUS = 130
"""Of the command, when its run was cancelled, or the command interrupted, as shells have it."""
SPANS = ((604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m"))
T = TypeVar("T")


def report(found: Run) -> None:
    """How a run ended. Raises `typer.Exit` with the command's status, unless all is well."""
    console.print(f"{state_of(found)} {escape(found.message)} · {found.seconds:.1f} s")
    if found.state == "CANCELLED":
        raise typer.Exit(CANCELLED_STATUS)
    if found.state != "COMPLETED":
        raise typer.Exit(1)
    if found.state_name == INCOMPLETE:
        raise typer.Exit(INCOMPLETE_STATUS)


def schedule_of(item: JsonObject) -> str:
    """One schedule, as a person reads it; struck through while it is paused."""
    how = item["schedule"]
    text = str(how["cron"]) if how.get("cron") else every(how["interval"]) if how.get("interval") else "…"
    return text if item["active"] else f"[dim strike]{text}[/]"


def when(moment: str | None) -> str:
    """A moment of Prefect's as this machine's clock tells it."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S}" if moment else ""


def state_of(found: Run) -> str:
    """The state of a run in its colour."""
    return f"[{COLOURS.get(found.state, 'white')}]{found.state.lower()}[/]"


def print_line(level: str, message: str) -> None:
    """One record; where the platform says why it refused, its own sentence is enough."""
    if "\ntools.errors." in message:
        message = message.partition("\nTraceback")[0]
    colour = {"warning": "yellow", "30": "yellow", "error": "red", "40": "red", "critical": "red"}.get(level)
    for line in message.split("\n"):
        console.print(f"  [{colour}]{escape(line)}[/]" if colour else f"  {escape(line)}", soft_wrap=True)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; an error is one clear line and exit status 1."""
    try:
        return asyncio.run(work)
    except Capibara6Error as exc:
        text = sentence(exc.code, load_settings().language, exc.message)
        errors.print(f"[red]✗[/] {escape(text)}")
        raise typer.Exit(1) from None


def every(seconds: float) -> str:
    """A span in its largest whole unit: `1h`, `90m`. Pure."""
    size, unit = next(((size, unit) for size, unit in SPANS if seconds % size == 0), (1, "s"))
    return f"{seconds / size:g}{unit}"
