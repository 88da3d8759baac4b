"""What the pool's commands share: a question to the running pool, and an error as a person reads it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from tools.clients.pool import Pool, open_pool
from tools.error_messages import sentence
from tools.errors import Capibara6Error
from tools.settings import Settings

AnswerT = TypeVar("AnswerT")


def ask(settings: Settings, call: Callable[[Pool], Awaitable[AnswerT]]) -> AnswerT:
    """What `call` answers, over a client of the pool. Raises typer.Exit with the error shown."""

    async def run() -> AnswerT:
        async with open_pool(settings) as pool:
            return await call(pool)

    return finish(settings, run())


def finish(settings: Settings, work: Coroutine[Any, Any, AnswerT]) -> AnswerT:
    """The result of `work`. Raises typer.Exit with the error shown."""
    try:
        return asyncio.run(work)
    except Capibara6Error as exc:
        raise failed(settings, exc) from exc


def failed(settings: Settings, exc: Capibara6Error) -> typer.Exit:
    """Show an error; what is returned ends the command with 1."""
    message = sentence(exc.code, settings.language, exc.message)
    Console(stderr=True).print(f"[red]✗[/] {escape(message)}", highlight=False)
    return typer.Exit(1)
