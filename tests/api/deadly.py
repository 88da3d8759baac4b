"""A process that runs agents and kills itself, without warning, at the n-th boundary it crosses."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from agents.context import Context, RunConfig, open_clients
from agents.conversation.persistence import open_persistence
from agents.runtime import compile_agents
from servers.api.runs.repository import RunRepository
from servers.api.runs.runner import Runner
from servers.api.runs.tables import RunRequest, RunRow, open_engine
from servers.api.runs.threads import Threads
from tools.access.identity import LOCAL
from tools.registry import TOOLS, Tool
from tools.settings import Settings

THREAD = "hilo"


class Boundary:
    """Counts what is crossed; at number `fatal` the process is gone."""

    def __init__(self, fatal: int | None) -> None:
        self.fatal = fatal
        self.count = 0

    def cross(self) -> None:
        self.count += 1
        if self.count == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str) -> None:
        """Cross before and after every call of `owner.name`."""
        inner: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def crossing(*args: Any, **kwargs: Any) -> Any:
            self.cross()
            answer = await inner(*args, **kwargs)
            self.cross()
            return answer

        setattr(owner, name, crossing)


def live(settings: Settings, home: Path, fatal: int | None) -> None:
    """Take up what was left, then see the story of one thread to its end; prints nothing, leaves files."""
    asyncio.run(live_on(settings, home, Boundary(fatal)))


async def live_on(settings: Settings, home: Path, boundary: Boundary) -> None:
    def note(text: str) -> None:
        with (home / "notes").open("a") as notes:
            notes.write(f"{text}\n")

    async def write_note(text: str) -> str:
        """Write a note."""
        boundary.cross()
        note(text)
        boundary.cross()
        return "noted"

    async with (
        open_clients(settings) as clients,
        open_persistence(settings) as memory,
        open_engine(settings) as engine,
    ):
        bounds = settings.agents.model_copy(update={"tools": ("write_note",)})
        tools = {**TOOLS, "write_note": Tool(write_note, effect="write")}
        for owner, names in ((memory.checkpointer, ("aput", "aput_writes")), (memory.store, ("aput",))):
            for name in names:
                boundary.around(owner, name)
        repository, threads = RunRepository(engine), Threads(engine, memory)
        for name in ("insert", "mark_running", "finish"):
            boundary.around(repository, name)

        def around(wishes: RunConfig) -> Context:
            return Context(clients, settings.chat, wishes, bounds, tools)

        runner = Runner(repository, memory, compile_agents(memory), around, bounds)
        await runner.resume()
        await threads.create(THREAD, LOCAL, {}, if_exists="do_nothing")
        await _story(runner, home)
        (home / "crossed").write_text(str(boundary.count))


async def _story(runner: Runner, home: Path) -> None:
    """Ask, confirm the write, get the answer: each run is accepted once, whoever was killed in between."""
    asked: RunRequest = {
        "messages": [{"role": "user", "content": "Apunta «hola» y dime el puerto de la pool"}]
    }
    wishes: RunRequest = {"wishes": {"tools": ["write_note"]}}
    asks: dict[str, RunRequest] = {
        "ask": {**asked, **wishes},
        "confirm": {"command": {"confirm": True}, **wishes},
    }
    for name, request in asks.items():
        known = {row.meta["name"]: row for row in await runner.repository.search(thread_id=THREAD)}
        if name not in known:
            row = RunRow(thread_id=THREAD, agent_id="capibara6", request=request, meta={"name": name})
            await runner.start(row)
            with (home / "accepted").open("a") as accepted:
                accepted.write(f"{row.run_id}\n")
            known[name] = row
        await runner.wait(known[name].run_id)
