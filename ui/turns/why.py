"""Why this answer: the question as it was searched, what each retriever found, the route, the time of each
stage. Drawn from the events of its run; it asks nobody.
"""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

from tools.schema import Answer, JsonObject, Language, Route, Turn
from ui.messages import say
from ui.rendering.markdown import Marks

LEGS: Final = ("dense", "text", "graph", "rerank")
SHOWN_PROGRESS: Final = 40


def why_html(turn: Turn, events: Sequence[JsonObject], language: Language) -> str:
    """The panel for one answer; empty for a turn without one."""
    if turn.answer is None:
        return ""
    found = [event for event in events if event["event"] == "retrieved"]
    route = turn.answer.route or _route_of(events)
    parts = [
        _head(language),
        '<div class="passage" tabindex="0">',
        _asked(turn.question, events, found, language),
        _route(route, turn.answer, language) if route else "",
        _support(turn.answer, language),
        _passages(found, turn.answer, language),
        _stages(turn.answer.timings_ms, language),
        _steps(events, language),
        "</div>",
    ]
    return f'<aside class="why" aria-label="{_say("why", language)}">{"".join(parts)}</aside>'


def bar(label: str, share: float, text: str) -> str:
    """One row of a small chart; `share` in [0, 1]."""
    width = round(100 * max(0.0, min(1.0, share)))
    return (
        f'<div class="bar"><span>{escape(label)}</span>'
        f'<span class="track"><span style="width:{width}%"></span></span><span>{escape(text)}</span></div>'
    )


def _head(language: Language) -> str:
    close = _say("close", language)
    return (
        f"<header><h2>{_say('why', language)}</h2>"
        f'<button class="close" type="button" title="{close}" aria-label="{close}">×</button></header>'
    )


def _asked(
    question: str, events: Sequence[JsonObject], found: Sequence[JsonObject], language: Language
) -> str:
    """What was searched for, where that is not what was asked."""
    rewritten = [event["detail"].get("question", "") for event in events if event.get("stage") == "rewritten"]
    asked = dict.fromkeys([*rewritten, *(str(event["query"]) for event in found)])
    others = [text for text in asked if text and text.strip() != question.strip()]
    if not others:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in others)
    return f"<h3>{_say('searched_for', language)}</h3><ul>{items}</ul>"


def _route(route: Route, answer: Answer, language: Language) -> str:
    rows = bar(say("confidence", language), route.confidence, f"{route.confidence:.0%}")
    if route.difficulty is not None:
        rows += bar(say("difficulty", language), route.difficulty, f"{route.difficulty:.0%}")
    rows += "".join(
        bar(name, value, f"{value:.2f}")
        for name, value in sorted(route.signals.items(), key=lambda pair: -pair[1])[:8]
        if 0 <= value <= 1
    )
    facts = {
        "model": answer.model,
        "wanted": route.wanted if route.wanted != answer.model else "",
        "stands_in": route.stands_in_for or "",
        "alternatives": ", ".join(route.alternatives),
        "why_route": "; ".join(route.reasons),
    }
    cells = "".join(
        f"<dt>{_say(key, language)}</dt><dd>{escape(text)}</dd>" for key, text in facts.items() if text
    )
    return f"<h3>{_say('chosen_model', language)}</h3>{rows}<dl>{cells}</dl>"


def _support(answer: Answer, language: Language) -> str:
    claims = [one for one in answer.sentences if one.kind == "claim"]
    borne = sum(one.supported for one in claims)
    rows = ""
    if claims:
        rows += bar(say("supported", language), borne / len(claims), f"{borne}/{len(claims)}")
    if answer.support is not None:
        rows += bar(say("answerable", language), answer.support, f"{answer.support:.0%}")
    reason = f"<p>{escape(answer.support_reason)}</p>" if answer.support_reason else ""
    return f"<h3>{_say('support', language)}</h3>{rows}{reason}" if rows else ""


def _passages(found: Sequence[JsonObject], answer: Answer, language: Language) -> str:
    """Every passage found, by retriever its rank and score; those that the answer left out are faint."""
    rows = [passage for event in found for passage in event["citations"]]
    if not rows:
        return ""
    shown = Marks(answer.answer, answer.citations)
    named = {n for n, _ in shown.found}
    legs = [leg for leg in LEGS if any(leg in (row.get("legs") or {}) for row in rows)]
    heads = "".join(f'<th scope="col">{_say(f"leg_{leg}", language)}</th>' for leg in legs)
    body = "".join(_passage(row, legs, shown, cited=row["n"] in named, language=language) for row in rows)
    first = "".join(f'<th scope="col">{_say(key, language)}</th>' for key in ("passage", "score"))
    return (
        f'<h3>{_say("passages_found", language)}</h3><div class="table"><table><thead><tr>{first}{heads}'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _passage(row: JsonObject, legs: Sequence[str], shown: Marks, *, cited: bool, language: Language) -> str:
    number = f"{shown.shown[row['n']]} · " if cited else ""
    left_out = "" if cited else f" <small>{_say('left_out', language)}</small>"
    path = (row.get("legs") or {}).get("graph", {}).get("words", "")
    walked = f'<br><small class="walk">{escape(str(path))}</small>' if path else ""
    cells = "".join(f"<td>{_leg((row.get('legs') or {}).get(leg), language)}</td>" for leg in legs)
    kind = "" if cited else ' class="unused"'
    return (
        f"<tr{kind}><td>{number}{escape(str(row['title']))}{left_out}{walked}</td>"
        f"<td>{float(row.get('score') or 0):.2f}</td>{cells}</tr>"
    )


def _leg(leg: Any, language: Language) -> str:
    """`2.º · 0.81`, or a dash where the retriever did not find it."""
    if not isinstance(leg, dict) or not isinstance(leg.get("rank"), int):
        return "—"
    score = leg.get("score")
    text = f" · {score:.3g}" if isinstance(score, int | float) else ""
    return escape(say("rank", language, rank=leg["rank"]) + text)


def _stages(timings: dict[str, float], language: Language) -> str:
    stages = {name: ms for name, ms in timings.items() if name != "total" and ms > 0}
    whole = max(timings.get("total", 0.0), sum(stages.values())) or 1.0
    rows = "".join(bar(say(name, language), ms / whole, f"{ms:.0f} ms") for name, ms in stages.items())
    return f"<h3>{_say('times', language)} · {whole:.0f} ms</h3>{rows}" if rows else ""


def _steps(events: Sequence[JsonObject], language: Language) -> str:
    """What else the run told on its way: the path of its graph, its tools."""
    lines = [line for event in events if (line := _step(event, language))][:SHOWN_PROGRESS]
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h3>{_say('steps', language)}</h3><ol>{items}</ol>"


def _step(event: JsonObject, language: Language) -> str:
    at = f" · {event['at_ms']:.0f} ms" if isinstance(event.get("at_ms"), int | float) else ""
    match event["event"]:
        case "progress" if event["stage"] not in ("rewritten", "answerable"):
            return f"{say(event['stage'], language)}{_detail(event.get('detail') or {})}{at}"
        case "tool_started":
            return f"{event['tool']}{_detail(event.get('arguments') or {})}{at}"
        case "tool_finished":
            return f"{event['tool']}: {'✓' if event['ok'] else '✗'} {event.get('took_ms', 0):.0f} ms"
    return ""


def _detail(detail: JsonObject) -> str:
    words = [f"{name}: {value}"[:160] for name, value in detail.items() if value not in (None, "", [], {})]
    return f" — {'; '.join(words[:4])}" if words else ""


def _route_of(events: Sequence[JsonObject]) -> Route | None:
    routed = [event for event in events if event["event"] == "routed"]
    return Route.model_validate(routed[-1]["route"]) if routed else None


def _say(key: str, language: Language) -> str:
    return escape(say(key, language))
