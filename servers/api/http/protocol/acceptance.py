"""Accepts runs: whose agent or assistant it is, on which thread, with what was asked."""

import asyncio

from fastapi import Response

from servers.api.assistants.catalog import Resolved
from servers.api.http.openai.fields import tell_ignored
from servers.api.http.protocol.run_requests import RunCreate
from servers.api.runs.deliveries import check_webhook
from servers.api.runs.tables import RunRow, ThreadRow, asked_by, new_id
from servers.api.services import Services
from tools.access.identity import Principal
from tools.errors import BadRequest, Conflict
from tools.schema import JsonObject


async def accept(services: Services, body: RunCreate, caller: Principal, thread_id: str | None) -> RunRow:
    """Start a run. Raises what the request, its agent, its thread and the runner refuse."""
    agent = await check(services, body, caller)
    run_id = new_id()
    row = RunRow(
        run_id=run_id,
        thread_id=f"run-{run_id}",
        stateless=True,
        agent_id=body.agent_id,
        request=body.order(agent, services.settings.limits),
        meta=body.metadata,
        tenant=caller.tenant,
        owner=caller.user,
        principal=asked_by(caller),
    )
    row.request["strategy"] = body.multitask_strategy
    thread = await _thread(services, body, caller, thread_id)
    if thread is not None:
        row.thread_id, row.owner, row.stateless = thread.thread_id, thread.owner, False
        told = {"graph_id": agent.graph_id, "assistant_id": body.agent_id}
        if not told.items() <= thread.meta.items():
            thread = await services.threads.note(thread.thread_id, told)
    await _check_resumption(services, body, row, thread)
    await services.runner.start(row, body.multitask_strategy)
    return row


async def check(services: Services, body: RunCreate, caller: Principal) -> Resolved:
    """Whose graph the run would be. Raises what the request, its agent and its webhook refuse."""
    agent = await services.assistants.resolve(body.agent_id, caller)
    graph = services.agents[agent.graph_id].threaded
    body.check([name for name in graph.nodes if not name.startswith("__")])
    if body.webhook is not None:
        await check_webhook(body.webhook, services.settings.fetch)
    return agent


async def accept_attached(
    services: Services, body: RunCreate, caller: Principal, thread_id: str | None
) -> RunRow:
    """Start a run whose caller stays; one who is gone before it is accepted leaves nothing running."""
    starting = asyncio.ensure_future(accept(services, body, caller, thread_id))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting})
        if body.on_disconnect == "cancel" and not starting.cancelled() and starting.exception() is None:
            services.runner.request_cancel(starting.result().run_id)
        raise


def name_ignored(body: RunCreate, response: Response) -> None:
    """Say in a header what of the request had no effect."""
    tell_ignored(response, sorted(set(body.ignored)))


async def _thread(
    services: Services, body: RunCreate, caller: Principal, thread_id: str | None
) -> ThreadRow | None:
    """The run's thread; None for one that leaves none behind."""
    if thread_id is None and body.thread_id is None:
        return await services.threads.create(None, caller, {}) if body.on_completion == "keep" else None
    if thread_id is not None and body.thread_id not in (None, thread_id):
        raise BadRequest("the request names two threads", param="thread_id", source="api")
    if body.on_completion == "delete":
        why = "a run's thread is kept; delete it when you need it no more"
        raise BadRequest(why, param="on_completion", source="api")
    name = thread_id or body.thread_id
    assert name is not None
    if body.if_not_exists == "create":
        await services.threads.create(name, caller, {}, if_exists="do_nothing")
    return await services.threads.get(name, caller)


async def _check_resumption(
    services: Services, body: RunCreate, row: RunRow, thread: ThreadRow | None
) -> None:
    """A run that answers an interrupt, or goes on where one was stopped, keeps that one's choices and grants.

    Raises `Conflict` when none waits, `BadRequest` when there is nothing to go on with.
    """
    answers = body.command is not None and body.command.resume is not None
    if not answers and not body.goes_on:
        return
    rows = [] if thread is None else await services.runner.repository.search(thread_id=row.thread_id, limit=1)
    if answers and (not rows or rows[0].status != "interrupted"):
        raise Conflict("no run of this thread waits for a command", param="command", source="api")
    if body.goes_on and (thread is None or not await _is_left(services, thread, row)):
        raise BadRequest("a run takes an input or a command", param="input", source="api")
    if rows:
        earlier: JsonObject = rows[0].request.get("wishes", {})
        row.request["wishes"] = {**earlier, **row.request.get("wishes", {})}


async def _is_left(services: Services, thread: ThreadRow, row: RunRow) -> bool:
    """Whether anything comes next where the run begins."""
    checkpoint = row.request.get("options", {}).get("checkpoint_id")
    return bool((await services.states.get(thread, checkpoint_id=checkpoint))["next"])
