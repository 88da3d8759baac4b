"""Streams a model's answer to the reader; what no passage supports is left out or marked before it is shown.

What a model says is `model`'s, how it is told `display`'s, what a sentence rests on `grounding`'s.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from langgraph.runtime import Runtime

from agents.answering.bounds import answer_tokens, overflows, without_repeats
from agents.answering.display import Display, stream_text
from agents.answering.entailment import follows
from agents.answering.model import QUOTING, ModelReply, Thought, can_call_tools, complete, stream_reply
from agents.context import Context
from agents.conversation.budget import CHARS_PER_TOKEN
from agents.conversation.state import Message
from agents.events import Progress, Reasoning
from agents.grounding.citations import used
from agents.grounding.evidence import Evidence, read_evidence
from agents.grounding.judgement import Judgement, edit, entailed, is_stump, judge
from agents.grounding.sentences import SentenceBuffer
from tools.errors import BadRequest, Capibara6Error, NotFound, NotSupported, Unavailable
from tools.passages import Passage
from tools.schema import Citation, Grounding, JsonObject, Language

QUOTED: dict[Language, str] = {
    "es": "El modelo no se ha apoyado en los documentos. Esto es lo que dicen:",
    "en": "The model did not rest on the documents. This is what they say:",
}
UNFOUNDED: dict[Language, str] = {
    "es": "El modelo ha respondido sin apoyo en los documentos, y su respuesta se ha descartado.",
    "en": "The model answered without support in the documents, and its answer was left out.",
}
SILENT: dict[Language, str] = {
    "es": "El modelo ha razonado hasta su límite sin llegar a responder.",
    "en": "The model reasoned up to its limit and gave no answer.",
}

_RULE = re.compile(r"\|?[\s:|-]*-{3,}[\s:|-]*")
"""What stands below the header of a table; it goes with its header."""


@dataclass(frozen=True)
class AnswerRequest:
    """What a model answers from: the prompt, the passages it may cite, the tools it is offered (schemas).

    `grounding` says what becomes of sentences without support, `otherwise` what stands for an answer without
    any (the passages, when it is empty); `window` is the model's, in tokens, `ratio`
    its characters per token. `calling` goes to the model with tools of the caller's, and `known` are messages
    with what those gave: the answer may repeat the addresses in them.
    """

    prompt: list[Message]
    sources: list[Citation]
    model: str
    tools: list[JsonObject] = field(default_factory=list[JsonObject])
    question: str = ""
    language: Language = "es"
    grounding: Grounding = "off"
    window: int | None = None
    ratio: float = CHARS_PER_TOKEN
    otherwise: str = ""
    calling: JsonObject = field(default_factory=dict)
    known: list[Message] = field(default_factory=list[Message])
    required: bool = False
    """Whether the tools are the caller's, who is told when the model takes none."""


@dataclass
class ShownReply(ModelReply):
    """A reply whose `text` is what was shown: `notes` are those of `Answer`, `accepted` sentences that a
    model found to follow from a passage."""

    notes: list[str] = field(default_factory=list[str])
    accepted: list[str] = field(default_factory=list[str])


Shown = TypeVar("Shown", bound=ShownReply)


async def stream_fitting(
    build: Callable[[int, bool], AnswerRequest],
    passages: int,
    runtime: Runtime[Context],
    *,
    answer: Callable[[AnswerRequest, Runtime[Context]], Awaitable[Shown]],
) -> Shown:
    """The `answer` to the first prompt that fits the model's window: `build` makes one with the first so many
    passages, with the conversation or without. Raises BadRequest when not even one passage fits."""
    tries = [(passages, True), (passages // 2, True), (min(1, passages), True), (min(1, passages), False)]
    for at, (kept, whole) in enumerate(tries):
        try:
            reply = await answer(build(kept, whole), runtime)
        except BadRequest as exc:
            if at + 1 == len(tries) or not overflows(exc):
                raise
            runtime.stream_writer(Progress(stage="fewer_passages", detail={"passages": tries[at + 1][0]}))
            continue
        if at:
            reply.notes.append("fewer_passages")
        return reply
    raise AssertionError("the last try returns or raises")


async def stream_answer(request: AnswerRequest, runtime: Runtime[Context]) -> ShownReply:
    """The model's reply as it was shown. A model that refuses to be offered tools is asked again without; one
    whose answer rests on no passage is left for the passages themselves, where grounding is strict."""
    try:
        reply = await _Answering(request, runtime).stream()
    except (BadRequest, NotSupported) as exc:
        if not request.tools or (isinstance(exc, BadRequest) and overflows(exc)):
            raise
        if request.required:
            raise tools_refused(request.model, exc.message) from exc
        reply = await _Answering(replace(request, tools=[]), runtime).stream()
    if reply.repeated:
        reply.notes.append("repetition")
    if reply.calls:
        return reply
    if request.grounding == "strict" and reply.model != QUOTING and not reply.grounded:
        return await _quote(request, reply, runtime)
    if not reply.text.strip() and reply.reasoning:
        reply.text = stream_text(SILENT[request.language], [], runtime)
        reply.notes.append("only_reasoning")
    return reply


async def _quote(request: AnswerRequest, reply: "_Grounded", runtime: Runtime[Context]) -> ShownReply:
    """What the passages say, in place of an answer that did not rest on them."""
    runtime.stream_writer(Progress(stage="grounding", detail={"fallback": QUOTING, "removed": reply.removed}))
    text, model = request.otherwise, QUOTING
    try:
        if not text:
            text = (await complete(runtime.context.clients.pool, request.prompt, model=QUOTING)).text.strip()
    except (NotFound, Unavailable):
        text, model = UNFOUNDED[request.language], reply.model
    lead = f"{QUOTED[request.language]} " if used(text) else ""
    before = "\n\n" if reply.text.strip() else ""
    shown = reply.text + stream_text(f"{before}{lead}{text}", request.sources, runtime)
    await _tell_router(request, runtime)
    return replace(reply, text=shown, model=model, notes=[*reply.notes, "grounding_fallback"])


async def _tell_router(request: AnswerRequest, runtime: Runtime[Context]) -> None:
    """A model that answered past its passages may have been too weak for the question; the turn goes on
    whether that is heard or not."""
    asked = [{"role": "user", "content": request.question}]
    with suppress(Capibara6Error):
        await runtime.context.clients.pool.feedback(asked, signal="ungrounded", model=request.model)


@dataclass
class _Grounded(ShownReply):
    """`grounded`: something shown rests on a passage, or says that the answer is not there."""

    grounded: bool = False
    removed: int = 0


class _Answering:
    """One stream of a model, told as it comes; sentence by sentence where each is to be judged first."""

    def __init__(self, request: AnswerRequest, runtime: Runtime[Context]) -> None:
        self.request, self.runtime, self.reply = request, runtime, _Grounded()
        self.display = Display([*request.prompt, *request.known], request.sources, runtime)
        self.buffer, self.before, self.dropped = SentenceBuffer(), "", False
        self.evidence: list[Evidence] = read_evidence(request.sources)

    async def stream(self) -> _Grounded:
        """The reply; its `text` is what was shown."""
        request, context = self.request, self.runtime.context
        pool, options = context.clients.pool, options_of(request, context)
        async for item in stream_reply(
            pool, request.prompt, model=request.model, reply=self.reply, **options
        ):
            if isinstance(item, Thought):
                if context.limits.reasoning == "shown":
                    self.runtime.stream_writer(Reasoning(text=item))
            elif isinstance(item, str):
                await self._take(self.display.sanitizer.feed(item))
        await self._take(self.display.sanitizer.end())
        for sentence in self.buffer.end():
            again = self.reply.repeated and self.before.startswith(sentence.strip())
            cut = self.request.grounding == "strict" and self.reply.finish == "length" and is_stump(sentence)
            if not (again or cut):
                await self._tell(sentence)
        shown = self.display.shown
        self.reply.text = without_repeats(shown) if self.reply.repeated else shown
        return self.reply

    async def _take(self, text: str) -> None:
        if self.request.grounding == "off" or self.reply.model == QUOTING:
            self.display.show(text)
            return
        for sentence in self.buffer.feed(text):
            await self._tell(sentence)

    async def _tell(self, sentence: str) -> None:
        """Judge a sentence and show what is left of it; the same one again is not said again."""
        bare = sentence.strip()
        if bare and bare == self.before:
            return
        self.before = bare
        if self.dropped and _RULE.fullmatch(bare):
            return
        judged = await self._judge(sentence)
        shown = edit(sentence, judged, self.request.grounding, self.request.language)
        self.dropped = bool(bare) and not shown
        self.reply.removed += self.dropped
        self.reply.grounded |= judged.kind == "refusal" or (judged.kind == "claim" and judged.supported)
        self.display.show(shown)

    async def _judge(self, sentence: str) -> Judgement:
        judged = judge(sentence, self.evidence, question=self.request.question)
        context, model = self.runtime.context, self.runtime.context.limits.entailment
        if not judged.unclear or model is None:
            return judged
        source = next(one for one in self.evidence if one.n == judged.spans[0].n)
        passage = Passage(source.n, source.title, source.text)
        if not await follows(sentence.strip(), passage, model=model, pool=context.clients.pool):
            return judged
        accepted = entailed(judged)
        self.reply.accepted.append(edit(sentence, accepted, "strict", self.request.language).strip())
        return accepted


def tools_refused(model: str, why: str) -> BadRequest:
    """What a caller is told whose tools a model did not take."""
    return BadRequest(
        f"{model} took no tools: {why[:300]}; ask another model by its name, or start this one's engine with "
        "--enable-auto-tool-choice and --tool-call-parser",
        param="tools",
        source="api",
        code="tools_not_supported",
    )


def options_of(request: AnswerRequest, context: Context) -> JsonObject:
    """What goes to the model beside the prompt: the caller's choices, the tools, a bound of the answer."""
    tools = {"tools": request.tools, **request.calling} if request.tools else {}
    options = {**context.config.options, **tools}
    if can_call_tools(request.model) and "max_completion_tokens" not in options:
        options["max_tokens"] = answer_tokens(
            options,
            request.prompt,
            most=context.limits.answer_tokens,
            window=request.window,
            ratio=request.ratio,
        )
    return options
