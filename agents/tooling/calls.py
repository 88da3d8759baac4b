"""Makes the tool calls that a model asks for, within what was granted. It decides nothing: `policy` does.

What the model can repair (a wrong argument, a refusal) is its answer; what it can not ends the run.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agents.answering.model import Call
from agents.context import Context
from agents.conversation.state import Message
from agents.events import ToolFinished, ToolStarted
from agents.tooling.idempotency import once
from agents.tooling.policy import Taint, decide
from tools.errors import Capibara6Error
from tools.registry import Bound, bind
from tools.remote import Remote

AnyTool = Bound | Remote

CALL_S = 30.0
MOST_CHARS = 12_000


@dataclass(frozen=True)
class Made:
    """A call that was made or refused: what the model is told, and the raw answer when there is one."""

    call: Call
    ok: bool
    answer: Any

    @property
    def message(self) -> Message:
        text = self.answer if isinstance(self.answer, str) else json.dumps(self.answer, ensure_ascii=False)
        return {"role": "tool", "tool_call_id": self.call.id, "content": text[:MOST_CHARS]}


async def toolbox(context: Context, grants: frozenset[str]) -> dict[str, AnyTool]:
    """Every tool of ours, bound to the run's clients, and the granted ones of MCP servers."""
    ours = bind(dict(vars(context.clients)), context.tools)
    return {**ours, **await context.clients.remotes.offered(grants)}


def tainted(touched: list[str], tools: Mapping[str, AnyTool]) -> Taint:
    """What a run that used these tools has read."""
    taint = Taint()
    for name in touched:
        taint = taint.after(tools[name].tool) if name in tools else taint
    return taint


async def make(
    call: Call, *, step: int, grants: frozenset[str], taint: Taint, runtime: Runtime[Context]
) -> Made:
    """Make one call. A person is asked first where the policy says so, if the run has a thread to wait on."""
    bound = (await toolbox(runtime.context, grants)).get(call.tool)
    tool = bound.tool if bound else None
    verdict = decide(call.tool, tool, grants=grants, taint=taint, confirmed=False)
    if verdict.kind == "ask" and runtime.context.thread_id is not None:
        request = {"tool": call.tool, "arguments": call.arguments, "reason": verdict.reason}
        confirmed = _is_yes(interrupt(request))
        verdict = decide(call.tool, tool, grants=grants, taint=taint, confirmed=confirmed)
    runtime.stream_writer(ToolStarted(call_id=call.id, tool=call.tool, arguments=call.arguments or {}))
    started = time.monotonic()
    if bound is None or verdict.kind != "allow":
        made = Made(call, False, f"refused: {verdict.reason}")
    elif call.arguments is None:
        made = Made(call, False, "refused: the arguments are not a JSON object")
    else:
        made = await _call(bound, call, step, runtime)
    took = round((time.monotonic() - started) * 1000, 1)
    runtime.stream_writer(
        ToolFinished(call_id=call.id, tool=call.tool, ok=made.ok, result=made.answer, took_ms=took)
    )
    return made


async def _call(bound: AnyTool, call: Call, step: int, runtime: Runtime[Context]) -> Made:
    arguments = call.arguments or {}
    try:
        async with asyncio.timeout(CALL_S):
            if bound.tool.effect == "none":
                return Made(call, True, await bound.call(arguments))
            assert runtime.store is not None, "graphs are compiled with a store"
            thread = runtime.context.thread_id or runtime.context.run_id
            key = f"{runtime.context.run_id}:{step}:{call.id}"
            return Made(call, True, await once(runtime.store, thread, key, lambda: bound.call(arguments)))
    except TimeoutError:
        return Made(call, False, f"failed: {call.tool} did not answer within {CALL_S:.0f} s")
    except Capibara6Error as exc:
        if exc.status >= 500:
            raise
        return Made(call, False, f"failed: {exc.message}")


def _is_yes(answer: Any) -> bool:
    """Only a plain yes confirms: `true`, or an object with `{"confirm": true}`."""
    return answer is True or (isinstance(answer, dict) and answer.get("confirm") is True)
