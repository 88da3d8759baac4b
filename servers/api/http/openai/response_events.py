"""A run's events as OpenAI's streamed response: items that open, grow and close, then the whole response."""

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

from agents.events import Done, Event, Reasoning, Token
from servers.api.http.openai.completion import usage_of
from servers.api.http.openai.response_items import (
    call_item,
    message_item,
    new_id,
    output_items,
    reasoning_item,
    text_part,
)
from tools.errors import Capibara6Error
from tools.schema import JsonObject

ENDS = {"completed": "response.completed", "incomplete": "response.incomplete", "failed": "response.failed"}


class ResponseObject:
    """One response while it is made; `shown` is what it repeats of its request."""

    def __init__(self, shown: JsonObject) -> None:
        self.head: JsonObject = {"id": new_id("resp"), "object": "response", "created_at": int(time.time())}
        self.shown = shown

    def begun(self) -> JsonObject:
        """It before there is an answer."""
        return self._whole("in_progress", [])

    def ended(self, done: Done, output: list[JsonObject] | None = None) -> JsonObject:
        """It with its answer; `output` where the items were told before."""
        items = output_items(done.answer) if output is None else output
        cut = done.answer.finish_reason == "length"
        body = self._whole("incomplete" if cut else "completed", items)
        body["incomplete_details"] = {"reason": "max_output_tokens"} if cut else None
        counted = usage_of(done)
        body["usage"] = {
            "input_tokens": counted["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": counted["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": counted["total_tokens"],
        }
        body["capibara6"] = done.answer.model_dump(mode="json")
        return body

    def failed(self, exc: Capibara6Error) -> JsonObject:
        """It after an error."""
        error = {"code": exc.code, "message": exc.message}
        return {**self._whole("failed", []), "error": error}

    def _whole(self, status: str, output: list[JsonObject]) -> JsonObject:
        state = {"status": status, "error": None, "incomplete_details": None, "usage": None}
        return {**self.head, **state, "output": output, **self.shown}


class ResponseStream:
    """Writes the events in order. `ended` is the response once the last one is out."""

    def __init__(self, response: ResponseObject) -> None:
        self.response = response
        self.ended: JsonObject | None = None
        self.done: Done | None = None
        self.output: list[JsonObject] = []
        self.open: JsonObject | None = None
        """The item that grows."""
        self.number = 0

    async def events(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[JsonObject, None]:
        """All of them; nothing before the first of the run, so that a failure until then can be a status."""
        begun = False
        async with aclosing(events):
            try:
                async for event in events:
                    if not begun:
                        begun = True
                        for kind in ("response.created", "response.in_progress"):
                            yield self._event(kind, response=self.response.begun())
                    for told in self._take(event):
                        yield told
            except Capibara6Error as exc:
                if not begun:
                    raise
                self.ended = self.response.failed(exc)
        if self.ended is not None:
            yield self._event(ENDS[self.ended["status"]], response=self.ended)

    def _take(self, event: Event) -> Iterator[JsonObject]:
        match event:
            case Token():
                yield from self._opened("message")
                yield self._event(
                    "response.output_text.delta", **self._place(), delta=event.text, logprobs=[]
                )
                self._grow(event.text)
            case Reasoning():
                yield from self._opened("reasoning")
                yield self._event("response.reasoning_text.delta", **self._place(), delta=event.text)
                self._grow(event.text)
            case Done():
                yield from self._finish(event)
            case _:
                pass

    def _opened(self, kind: str) -> Iterator[JsonObject]:
        if self.open is not None and self.open["type"] == kind:
            return
        yield from self._close()
        item = message_item([], status="in_progress") if kind == "message" else reasoning_item("")
        self.open = item
        yield self._event("response.output_item.added", output_index=len(self.output), item={**item})
        part = text_part("") if kind == "message" else {"type": "reasoning_text", "text": ""}
        yield self._event("response.content_part.added", **self._place(), part={**part})
        item["content"] = [part]

    def _close(self, done: Done | None = None) -> Iterator[JsonObject]:
        """The item that grew is whole; a message has the text and the citations of the answer."""
        item, self.open = self.open, None
        if item is None:
            return
        part = item["content"][0]
        place = {"item_id": item["id"], "output_index": len(self.output), "content_index": 0}
        if item["type"] == "message":
            if done is not None:
                part = text_part(done.answer.answer, done.answer)
            cut = done is not None and done.answer.finish_reason == "length"
            item.update(content=[part], status="incomplete" if cut else "completed")
            yield self._event("response.output_text.done", **place, text=part["text"], logprobs=[])
        else:
            yield self._event("response.reasoning_text.done", **place, text=part["text"])
        yield self._event("response.content_part.done", **place, part=part)
        yield self._event("response.output_item.done", output_index=len(self.output), item=item)
        self.output.append(item)

    def _finish(self, done: Done) -> Iterator[JsonObject]:
        if done.answer.answer:
            yield from self._opened("message")
        yield from self._close(done)
        for call in done.answer.tool_calls:
            at, whole = len(self.output), call_item(call)
            begun = {**whole, "arguments": "", "status": "in_progress"}
            yield self._event("response.output_item.added", output_index=at, item=begun)
            place = {"item_id": whole["id"], "output_index": at}
            written = whole["arguments"]
            yield self._event("response.function_call_arguments.delta", **place, delta=written)
            ended = {"arguments": written, "name": whole["name"]}
            yield self._event("response.function_call_arguments.done", **place, **ended)
            yield self._event("response.output_item.done", output_index=at, item=whole)
            self.output.append(whole)
        self.done, self.ended = done, self.response.ended(done, self.output)

    def _grow(self, text: str) -> None:
        assert self.open is not None
        self.open["content"][0]["text"] += text

    def _place(self) -> JsonObject:
        assert self.open is not None
        return {"item_id": self.open["id"], "output_index": len(self.output), "content_index": 0}

    def _event(self, kind: str, **fields: Any) -> JsonObject:
        number, self.number = self.number, self.number + 1
        return {"type": kind, "sequence_number": number, **fields}
