"""Sixty texts that would act if any place of the page took them for markup: each would set `window.taken`."""

from collections.abc import Iterator

from tools.schema import JsonObject

ACT = "window.taken=1"
TEXTS = [
    f"<script>{ACT}</script>", f"<ScRiPt>{ACT}</sCrIpT>", f"<img src=x onerror={ACT}>",
    f"<img src=x onerror='{ACT}'/>", f'"><img src=x onerror="{ACT}">', f"'><svg onload={ACT}>",
    f"<svg/onload={ACT}>", f"<svg><script>{ACT}</script></svg>", f"<svg><animate onbegin={ACT} dur=1s>",
    f"<body onload={ACT}>", f"<iframe srcdoc='<script>parent.{ACT}</script>'>",
    f"<iframe src=javascript:{ACT}>",
    f"<object data=javascript:{ACT}>", f"<embed src=javascript:{ACT}>", f"<a href=javascript:{ACT}>x</a>",
    f"[x](javascript:{ACT})", f"![x](x\"onerror=\"{ACT})", f"[x](data:text/html,<script>{ACT}</script>)",
    f"<javascript:{ACT}>", f"[a]: javascript:{ACT}\n\n[a]", f"<details open ontoggle={ACT}>",
    f"<video><source onerror={ACT}></video>", f"<audio src=x onerror={ACT}>",
    f"<input autofocus onfocus={ACT}>",
    f"<select autofocus onfocus={ACT}>", f"<textarea autofocus onfocus={ACT}>", f"<marquee onstart={ACT}>",
    f"<style>@import 'javascript:{ACT}';</style>", f"<link rel=stylesheet href=javascript:{ACT}>",
    f"<meta http-equiv=refresh content='0;url=javascript:{ACT}'>", f"<base href='javascript:{ACT}//'>",
    f"<form action=javascript:{ACT}><button>x</button></form>",
    f"<button formaction=javascript:{ACT}>x</button>",
    f"<math><mtext><img src=x onerror={ACT}></mtext></math>", f"$\\text{{<img src=x onerror={ACT}>}}$",
    f"$$\\href{{javascript:{ACT}}}{{x}}$$", f"\\(<script>{ACT}</script>\\)", f"`<script>{ACT}</script>`",
    f"```html\n<script>{ACT}</script>\n```", f"```\"><img src=x onerror={ACT}>\ncode\n```",
    f"| a |\n|---|\n| <img src=x onerror={ACT}> |", f"</textarea><script>{ACT}</script>",
    f"</title><script>{ACT}</script>", f"</style><script>{ACT}</script>", f"--><script>{ACT}</script>",
    f"]]><script>{ACT}</script>", f"${{{ACT}}}", f"{{{{{ACT}}}}}",
    f"{{{{constructor.constructor('{ACT}')()}}}}",
    f"<%= {ACT} %>", f"#{{{ACT}}}", f"javascript:{ACT}", f"&lt;script&gt;{ACT}&lt;/script&gt;",
    f"&#60;script&#62;{ACT}&#60;/script&#62;", f"\u202e<script>{ACT}</script>",
    f"<scr<script>ipt>{ACT}</scr</script>ipt>", f"<img\u0009src=x\u0009onerror={ACT}>",
    f"<noscript><p title='</noscript><img src=x onerror={ACT}>'>",
    f"<template><img src=x onerror={ACT}></template>",
    f"<div style=\"background:url(javascript:{ACT})\" onmouseover={ACT}>x</div> [1]",
]  # fmt: skip


def hostile_events() -> Iterator[JsonObject]:
    """A run in which everything is hostile: tools, their arguments, passages, the answer."""
    about = {"document_id": "d", "headings": TEXTS[:3]}
    found = [{"n": n, "title": one, "source": one, "text": one, **about} for n, one in enumerate(TEXTS, 1)]
    for text in TEXTS:
        yield {"event": "tool_started", "tool": text, "arguments": {text: text}}
        yield {"event": "progress", "stage": text, "detail": {text: text}}
    legs = {"graph": {"rank": 1, "score": 0.5, "words": TEXTS[2]}}
    passages = [{**one, "score": 0.5, "legs": legs} for one in found]
    yield {"event": "retrieved", "query": TEXTS[2], "citations": passages, "degraded": [], "took_ms": 1.0}
    answer = "\n\n".join(TEXTS)
    yield {"event": "token", "text": answer}
    whole = {"answer": answer, "citations": found, "model": TEXTS[2], "agent": TEXTS[4]}
    yield {"event": "done", "answer": {**whole, "timings_ms": {TEXTS[2]: 1.0, "total": 1.0}}}
