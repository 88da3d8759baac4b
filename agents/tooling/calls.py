"""Makes the tool calls that a model asks for, within what was granted; what is allowed decides `policy`.

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

from agents.answering.model import ToolCall
from agents.context import Context
from agents.conversation.state import Message
from agents.events import ToolFinished, ToolStarted
from agents.tooling.idempotency import once
from agents.tooling.policy import Grants, Taint, decide
from tools.errors import Capibara6Error
from tools.mcp.remote_tools import RemoteTool
from tools.registry import BoundTool, bind

AnyTool = BoundTool | RemoteTool

CALL_S = 30.0
MOST_CHARS = 12_000


@dataclass(frozen=True)
class ToolResult:
    """A call that was made or refused; `answer` is the tool's JSON, or the sentence said instead."""

    call: ToolCall
    ok: bool
    answer: Any

    @property
    def message(self) -> Message:
        """The answer as OpenAI's `tool` message, cut to `MOST_CHARS`."""
        text = self.answer if isinstance(self.answer, str) else json.dumps(self.answer, ensure_ascii=False)
        return {"role": "tool", "tool_call_id": self.call.id, "content": text[:MOST_CHARS]}


async def available_tools(context: Context, grants: Grants) -> dict[str, AnyTool]:
    """Every tool of ours, bound to the run's clients, and the granted ones of MCP servers."""
    own = bind(dict(vars(context.clients)), context.tools)
    return {**own, **await context.clients.remote_tools.offered(grants)}


def taint_of(touched: list[str], tools: Mapping[str, AnyTool]) -> Taint:
    """What a run that used these tools has read; of a caller's own nothing is known, so the worst."""
    taint = Taint()
    for name in touched:
        taint = taint.after(tools[name].tool) if name in tools else Taint(private=True, untrusted=True)
    return taint


async def call_tool(
    call: ToolCall, *, step: int, grants: Grants, taint: Taint, runtime: Runtime[Context]
) -> ToolResult:
    """Make one call, or refuse it. A person is asked first where the policy says so, if the run has a thread
    to wait on. `step` tells equal calls of a run apart. Raises errors of the server's side (500 and up)."""
    bound = (await available_tools(runtime.context, grants)).get(call.tool)
    tool = bound.tool if bound else None
    decision = decide(call.tool, tool, grants=grants, taint=taint, confirmed=False)
    if decision.kind == "ask" and runtime.context.thread_id is not None:
        request = {"tool": call.tool, "arguments": call.arguments, "reason": decision.reason}
        confirmed = _confirms(interrupt(request))
        decision = decide(call.tool, tool, grants=grants, taint=taint, confirmed=confirmed)
    runtime.stream_writer(ToolStarted(call_id=call.id, tool=call.tool, arguments=call.arguments or {}))
    started = time.monotonic()
    if bound is None or decision.kind != "allow":
        result = ToolResult(call, False, f"refused: {decision.reason}")
    elif call.arguments is None:
        result = ToolResult(call, False, "refused: the arguments are not a JSON object")
    else:
        result = await _call(bound, call, step, runtime)
    took = round((time.monotonic() - started) * 1000, 1)
    runtime.stream_writer(
        ToolFinished(call_id=call.id, tool=call.tool, ok=result.ok, result=result.answer, took_ms=took)
    )
    return result


async def _call(bound: AnyTool, call: ToolCall, step: int, runtime: Runtime[Context]) -> ToolResult:
    arguments = call.arguments or {}
    seconds = bound.deadline_s if isinstance(bound, RemoteTool) else CALL_S
    try:
        async with asyncio.timeout(seconds):
            if bound.tool.effect == "none":
                return ToolResult(call, True, await bound.call(arguments))
            assert runtime.store is not None, "graphs are compiled with a store"
            thread = runtime.context.thread_id or runtime.context.run_id
            key = f"{runtime.context.run_id}:{step}:{call.id}"
            return ToolResult(
                call, True, await once(runtime.store, thread, key, lambda: bound.call(arguments))
            )
    except TimeoutError:
        return ToolResult(call, False, f"failed: {call.tool} did not answer within {seconds:.0f} s")
    except Capibara6Error as exc:
        # Without a server of others a run can go on.
        if exc.status >= 500 and not isinstance(bound, RemoteTool):
            raise
        return ToolResult(call, False, f"failed: {exc.message}")


def _confirms(answer: Any) -> bool:
    """Only a plain yes confirms: `true`, or an object with `{"confirm": true}`."""
    return answer is True or (isinstance(answer, dict) and answer.get("confirm") is True)
