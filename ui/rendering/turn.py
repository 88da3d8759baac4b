"""Draws a question, an answer and a failure as HTML. Untrusted Markdown goes through `markdown.py`."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any, Final

from tools.schema import Answer, Citation, Language
from ui.messages import say
from ui.rendering.markdown import Marks, text_html
from ui.turns.icons import icon

_UPLOADED: Final = re.compile(r"^upload://[^/]*/")
ACTS: Final = ("copy", "up", "down", "again", "branch", "why")
"""What may be done with an answer."""


def question_html(text: str, language: Language, *, run_id: str = "") -> str:
    """What the person wrote, exactly; what the API has taken can be changed and asked again."""
    label = escape(say("edit", language))
    edit = (
        f'<button class="act" type="button" data-act="edit" title="{label}" aria-label="{label}">'
        f"{icon('edit')}</button>"
    )
    named = f' data-run="{escape(run_id)}"' if run_id else ""
    return (
        f'<article class="question"{named} aria-label="{escape(say("question", language))}">'
        f'{edit if run_id else ""}<div class="said">{escape(text)}</div></article>'
    )


def answer_html(
    text: str, citations: list[Citation], language: Language, *, status: str = "", run_id: str = ""
) -> str:
    """An answer, or as much of it as has arrived; `status` is shown while it grows."""
    body = text_html(text, Marks(text, citations), language)
    waiting = f'<div class="status" role="status">{escape(status)}</div>' if status else ""
    return _turn(f'<div class="answer">{body}</div>{waiting}', run_id)


def done_html(answer: Answer, language: Language, *, run_id: str = "") -> str:
    """The whole answer with its sources, who answered and why, the time each stage took, and what may be
    done with it."""
    marks = Marks(answer.answer, answer.citations)
    body = f'<div class="answer">{text_html(answer.answer, marks, language)}</div>'
    acts = _acts(language) if run_id else ""
    return _turn(f"{body}{_sources(marks, language)}{acts}{_details(answer, language)}", run_id)


def error_html(sentence: str, detail: str = "", *, retry: str = "", before: str = "") -> str:
    """A failure in the reader's words, after the HTML that was there `before`; `detail` is for whoever looks
    into it, `retry` what the button says that asks again, if there is to be one."""
    more = f'<div class="detail">{escape(detail)}</div>' if detail else ""
    again = f'<button class="retry" type="button">{escape(retry)}</button>' if retry else ""
    return f'{before}<div class="failure" role="alert">{escape(sentence)}{more}{again}</div>'


def shown_source(source: str) -> str:
    """A source as people read it: of what was uploaded its file's name. Pure."""
    return _UPLOADED.sub("", source)


def _sources(marks: Marks, language: Language) -> str:
    """The passages; a click on one opens it beside the answer (`ui/rendering/evidence.py`)."""
    if not marks.shown:
        return ""
    items = "".join(
        f'<li><button class="source n-{citation.n}" type="button">'
        f'<span class="number">{marks.shown[citation.n]}</span>'
        f'<span class="title">{escape(citation.title)}</span>'
        f'<span class="where">{escape(shown_source(citation.source))}</span></button></li>'
        for citation in marks.ordered()
    )
    return f'<div class="sources"><h2 class="heading">{say("sources", language)}</h2><ol>{items}</ol></div>'


def _acts(language: Language) -> str:
    """The buttons under an answer; `ui/scripts/turns.js` does what they say."""
    buttons = "".join(
        f'<button class="act" type="button" data-act="{act}" title="{escape(say(act, language))}" '
        f'aria-label="{escape(say(act, language))}"{_PRESSABLE.get(act, "")}>{icon(act)}</button>'
        for act in ACTS
    )
    return f'<div class="acts" role="group" aria-label="{escape(say("acts", language))}">{buttons}</div>'


_PRESSABLE: Final[Mapping[str, str]] = dict.fromkeys(("up", "down"), ' aria-pressed="false"')


def _details(answer: Answer, language: Language) -> str:
    total = answer.timings_ms.get("total", sum(answer.timings_ms.values()))
    rows: dict[str, Any] = {"model": answer.model, "agent": answer.agent}
    if answer.route:
        rows["why_route"] = "; ".join(answer.route.reasons)
        if answer.route.wanted != answer.model:
            rows["wanted"] = answer.route.wanted
    if answer.degraded:
        rows["degraded"] = ", ".join(answer.degraded)
    stages = (f"{say(stage, language)} {ms:.0f} ms" for stage, ms in answer.timings_ms.items())
    rows["times"] = " · ".join(stages)
    cells = "".join(
        f"<dt>{say(key, language)}</dt><dd>{escape(value)}</dd>" for key, value in rows.items() if value
    )
    summary = f"{escape(answer.model)} · {total / 1000:.2f} s"
    return (
        f'<details class="how"><summary>{say("how", language)} <span class="who">{summary}</span></summary>'
        f"<dl>{cells}</dl></details>"
    )


def _turn(html: str, run_id: str) -> str:
    """What belongs to one run, under its id."""
    named = f' id="turn-{escape(run_id)}"' if run_id else ""
    return f'<article class="turn"{named}>{html}</article>'
