"""The panel beside the answer: the passage behind a citation mark, the sentence that bears it out marked.

The passage is shown as it is, not as Markdown: what is marked is the document's own text. It asks nobody.
"""

from collections.abc import Sequence
from html import escape

from tools.schema import Citation, Language, SupportedSentence, Turn
from ui.messages import say
from ui.rendering.markdown import Marks
from ui.rendering.turn import shown_source


def panel_html(turn: Turn, language: Language, *, at: int | None = None, n: int | None = None) -> str:
    """The passage of the answer's mark `at`, or its passage `n`; empty where there is none."""
    if turn.answer is None:
        marks = Marks(turn.text, turn.citations)
        sentences: Sequence[SupportedSentence] = ()
    else:
        marks = Marks(turn.answer.answer, turn.answer.citations)
        sentences = turn.answer.sentences
    if at is not None and 0 <= at < len(marks.found):
        n, position = marks.found[at]
        ranges = cited(sentences, n, position)
    elif at is None and n in marks.by_number:
        ranges = [(span.start, span.end) for one in sentences for span in one.spans if span.n == n]
    else:
        return ""
    citation = marks.by_number[n]
    hint = "" if ranges else f'<p class="hint">{escape(say("no_sentence", language))}</p>'
    return (
        f'<aside aria-label="{escape(say("evidence", language))}">'
        f"{_head(citation, marks.shown[n], language)}{_steps(turn.run_id, at, len(marks.found), language)}"
        f'{hint}<div class="passage" tabindex="0">{marked(citation.text, ranges)}</div></aside>'
    )


def cited(sentences: Sequence[SupportedSentence], n: int, position: int) -> list[tuple[int, int]]:
    """Which characters of passage `n` bear out the sentence that the mark at `position` belongs to: the one
    around it, or the one before when the mark follows its full stop."""
    before = [one for one in sentences if one.start <= position and any(s.n == n for s in one.spans)]
    if not before:
        return []
    return [(span.start, span.end) for span in before[-1].spans if span.n == n]


def marked(text: str, ranges: Sequence[tuple[int, int]]) -> str:
    """`text` escaped, the characters of `ranges` (from, up to) in `<mark>`; what overlaps is one mark."""
    html, position = "", 0
    for first, last in sorted(ranges):
        start, end = max(first, position), min(last, len(text))
        if start >= end:
            continue
        html += f"{escape(text[position:start])}<mark>{escape(text[start:end])}</mark>"
        position = end
    return html + escape(text[position:])


def _head(citation: Citation, number: int, language: Language) -> str:
    close = escape(say("close", language))
    places = " · ".join([*_places(citation, language), shown_source(citation.source)])
    path = " › ".join(citation.headings or [])
    headings = f'<p class="path">{escape(path)}</p>' if path else ""
    return (
        f'<header><span class="number">{number}</span><h2>{escape(citation.title)}</h2>'
        f'<button class="close" type="button" title="{close}" aria-label="{close}">×</button></header>'
        f'{headings}<p class="where">{escape(places)}</p>'
    )


def _places(citation: Citation, language: Language) -> list[str]:
    """Where in its file the passage stands."""
    found: list[str] = []
    if citation.page is not None:
        found.append(say("page_of", language, page=citation.page))
    if citation.slide is not None:
        found.append(say("slide_of", language, slide=citation.slide))
    if citation.sheet is not None:
        found.append(say("sheet_of", language, sheet=citation.sheet))
    if citation.rows is not None:
        found.append(say("rows_of", language, first=citation.rows[0], last=citation.rows[1]))
    return found


def _steps(run_id: str, at: int | None, count: int, language: Language) -> str:
    """To the marks before and after."""
    if at is None or count < 2:
        return ""
    return (
        '<nav class="steps">'
        + "".join(
            f'<button class="step" type="button" data-run="{escape(run_id)}" data-at="{place}"'
            f"{'' if 0 <= place < count else ' disabled'}>{escape(say(key, language))}</button>"
            for key, place in (("previous", at - 1), ("next", at + 1))
        )
        + "</nav>"
    )
