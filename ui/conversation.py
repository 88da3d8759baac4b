"""Draws a conversation: the stored turns of a thread, and one under way, as the messages that the chat shows.
It asks nobody.
"""

from collections.abc import Sequence
from typing import TypeAlias

from tools.error_messages import sentence
from tools.errors import Capibara6Error
from tools.schema import Answer, Citation, JsonObject, Language, Turn
from ui.messages import say
from ui.rendering.turn import answer_html, done_html, error_html, question_html

ChatMessages: TypeAlias = list[dict[str, str]]
"""What the chat shows: `{role, content}` each, `content` as HTML."""
RUNNING = ("pending", "running")
BLOCK = 40
"""Messages that are drawn first, and again with each question: at least so many, at most twice as many."""
CONTEXT_TURNS = 6
"""Stopped turns in a row of which the next question still knows."""


def draw(turns: Sequence[Turn], language: Language) -> ChatMessages:
    """Every turn's question and what became of it, oldest first; the last one may be asked again."""
    last = len(turns) - 1
    return [
        message
        for place, turn in enumerate(turns)
        for message in (
            asked(turn.question, language, run_id="" if turn.status in RUNNING else turn.run_id),
            answered(turn_html(turn, language, last=place == last)),
        )
    ]


def old_messages(count: int) -> int:
    """How many of `count` messages are far up: whole blocks of `BLOCK`, so that they seldom change. Pure."""
    return max(0, count - BLOCK) // BLOCK * BLOCK


def in_parts(messages: ChatMessages) -> tuple[str, str, str]:
    """The HTML of what is far up, of the turns after it, and of the last one, which is the one that grows."""
    html, old = [message["content"] for message in messages], old_messages(len(messages))
    end = max(old, len(html) - 2)
    return "".join(html[:old]), "".join(html[old:end]), "".join(html[end:])


def turn_html(turn: Turn, language: Language, *, last: bool = False) -> str:
    """One answer, whole or as far as it came; a failed one that is the `last` can be retried."""
    if turn.answer is not None:
        return done_html(turn.answer, language, run_id=turn.run_id)
    if turn.status in RUNNING:
        status = "" if turn.text else say("starting", language)
        return answer_html(turn.text, turn.citations, language, status=status, run_id=turn.run_id)
    before = ""
    if turn.text:
        before = answer_html(turn.text, turn.citations, language, run_id=turn.run_id)
    if turn.status == "interrupted":
        return error_html(say("interrupted", language), before=before)
    error = turn.error or {}
    retry = say("retry", language) if last else ""
    return error_html(sentence(error.get("code", ""), language), _detail(turn), retry=retry, before=before)


def asked(question: str, language: Language, *, run_id: str = "") -> dict[str, str]:
    """A person's message; with the run that answers it, it can be changed and asked again."""
    return {"role": "user", "content": question_html(question, language, run_id=run_id)}


def answered(html: str) -> dict[str, str]:
    """The agent's message."""
    return {"role": "assistant", "content": html}


def unanswered(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """What was asked and half answered since the last whole answer, `{role, content}` each: a thread
    remembers whole turns alone, and who stopped an answer goes on from what they had read of it."""
    since: list[Turn] = []
    for turn in reversed(turns):
        if turn.answer is not None or len(since) == CONTEXT_TURNS:
            break
        if turn.status == "cancelled" and turn.text.strip():
            since.insert(0, turn)
    return [
        message
        for turn in since
        for message in (
            {"role": "user", "content": turn.question},
            {"role": "assistant", "content": turn.text},
        )
    ]


class PartialAnswer:
    """What is known of a run before it is whole."""

    def __init__(self, question: str, language: Language, run_id: str = "") -> None:
        self.question = question
        self.language: Language = language
        self.run_id, self.text = run_id, ""
        self.citations: list[Citation] = []
        self.whole: Answer | None = None
        self.waits = False
        self.status = say("starting", language)

    def add(self, event: JsonObject) -> None:
        """One event of the run; a passage's first use shows as its mark, a failure is raised."""
        match event["event"]:
            case "metadata":
                self.run_id = event["run_id"]
            case "token":
                self.text += event["text"]
                self.status = ""
            case "routed":
                self.status = say("routed", self.language, model=event["route"]["model"])
            case "retrieved":
                self.citations = [Citation.model_validate(found) for found in event["citations"]]
                self.status = self._retrieved(len(self.citations))
            case "interrupted":
                self.waits = True
            case "done":
                self.whole = Answer.model_validate(event["answer"])
            case _:
                self.status = _told(event, self.language) or self.status

    @property
    def unsent(self) -> str:
        """The question as long as the API has not taken it."""
        return "" if self.run_id else self.question

    def messages(self) -> ChatMessages:
        """The question, and what is to be seen of the answer now."""
        if self.whole is not None or self.waits:
            return draw([self._turn("interrupted" if self.waits else "success")], self.language)
        html = answer_html(self.text, self.citations, self.language, status=self.status, run_id=self.run_id)
        return [asked(self.question, self.language), answered(html)]

    def failed(self, exc: Capibara6Error) -> Turn:
        """The turn when its answer can not be read on."""
        return self._turn("error").model_copy(update={"error": exc.envelope()["error"]})

    def _turn(self, status: str) -> Turn:
        return Turn(
            run_id=self.run_id,
            status=status,
            question=self.question,
            created_at="",
            answer=self.whole,
            text=self.text,
            citations=self.citations,
        )

    def _retrieved(self, count: int) -> str:
        key = {0: "none_retrieved", 1: "one_retrieved"}.get(count, "retrieved")
        return say(key, self.language, count=count)


def _told(event: JsonObject, language: Language) -> str:
    """What a reader is told of an event that changes nothing else; empty for those that show otherwise."""
    match event["event"]:
        case "progress":
            return say("doing", language, what=say(event["stage"], language))
        case "reasoning":
            return say("reasons", language)
        case "tool_started":
            return say("tool_runs", language, tool=event["tool"])
        case "tool_finished":
            return say("tool_done" if event["ok"] else "tool_failed", language, tool=event["tool"])
    return ""


def _detail(turn: Turn) -> str:
    error = turn.error or {}
    if turn.status == "cancelled" or not error:
        return ""
    return f"{error.get('source') or 'api'}: {error.get('code')}"
