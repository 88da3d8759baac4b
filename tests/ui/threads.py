"""A small API of threads: the real routes, rows and principals over runs that follow a script of the test's.

What an agent would answer is `script(question)`: events as dicts, the last one `done`; it may raise or wait.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

from fastapi import FastAPI, Request, Response

from agents.conversation.persistence import open_persistence
from agents.runtime import compile_agents
from servers.api.assistants.catalog import Assistants
from servers.api.http import shared_threads
from servers.api.http.protocol import runs, threads
from servers.api.runs.active_run import ActiveRun
from servers.api.runs.repository import RunRepository
from servers.api.runs.runner import Runner
from servers.api.runs.states import States
from servers.api.runs.tables import create_tables, open_engine
from servers.api.runs.threads import Threads
from servers.api.services import Services
from servers.web.app import add_error_handlers
from tools.access.identity import LOCAL
from tools.clients.pool import open_pool
from tools.schema import JsonObject
from tools.settings import Settings

Script = Callable[[ActiveRun], AsyncIterator[JsonObject]]


class ScriptedRunner(Runner):
    """Runs are accepted, kept, followed and cancelled as always; what they say is the script's."""

    script: Script

    async def _execute(self, run: ActiveRun) -> None:
        await self.repository.mark_running(run.row)
        async for event in self.script(run):
            run.publish({"run_id": run.row.run_id, **event})


def build_threads_api(settings: Settings, script: Script) -> FastAPI:
    """The API's threads and runs; who asks is said by the token, the local person where there is none."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_persistence(settings) as memory,
            open_engine(settings) as engine,
            open_pool(settings) as pool,
        ):
            nothing = cast("Any", None)
            agents = compile_agents(memory)
            runner = ScriptedRunner(RunRepository(engine), memory, agents, nothing, settings.agents)
            runner.script = script
            await runner.resume()
            await create_tables(engine, "assistants", "assistant_versions")
            rows, made, states = Threads(engine, memory), Assistants(engine), States(agents)
            unused = (nothing, nothing, nothing)
            app.state.services = Services(
                settings,
                cast("Any", SimpleNamespace(pool=pool)),
                memory,
                agents,
                made,
                rows,
                states,
                runner,
                *unused,
            )
            try:
                yield
            finally:
                await runner.close()

    app = FastAPI(lifespan=lifespan)
    add_error_handlers(app, "api")
    app.include_router(threads.router)
    app.include_router(runs.router)
    app.include_router(shared_threads.router)

    @app.middleware("http")
    async def identify(request: Request, call_next: Any) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        request.state.principal = settings.signer.verify(token) or LOCAL
        return await call_next(request)

    @app.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    return app
