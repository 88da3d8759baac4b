"""HTML inside Markdown: tables, lists and code become Markdown, other tags go; code is left as it is."""

import re
from html import unescape

from flows.ingestion.parsers.html import page as html

TAG = re.compile(r"</?(?:[a-zA-Z][a-zA-Z0-9]*)(?:\s[^<>]*)?/?>|<!--")
FENCED = re.compile(r"(?ms)^(?P<mark>```+|~~~+).*?^(?P=mark)[`~]*\s*$|`[^`\n]+`|\A---\n.*?\n---\n")
WHOLE = re.compile(r"(?is)<(table|ul|ol|dl|pre|h[1-6])\b[^>]*>.*?</\1>")
KNOWN = re.compile(
    r"(?i)</?(?:a|abbr|article|aside|b|big|blockquote|br|center|code|dd|del|details|div|dl|dt|em|figcaption|figure|"
    r"font|h[1-6]|header|footer|hr|i|iframe|img|input|ins|kbd|label|li|main|mark|nav|ol|p|picture|pre|q|s|samp|"
    r"section|small|source|span|strike|strong|sub|summary|sup|svg|path|table|tbody|td|tfoot|th|thead|tr|u|ul|var|"
    r"video|wbr)(?:\s[^<>]*)?/?>"
)
LINES = re.compile(r"(?i)<(?:br|hr)\s*/?>|</(?:p|div|details|summary|tr|li|h[1-6]|blockquote|section)>")


def holds_tags(text: str) -> bool:
    """Whether a Markdown text holds anything that looks like HTML. Pure."""
    return TAG.search(text) is not None


def without_tags(text: str) -> str:
    """Markdown alone."""
    if not holds_tags(text) and "&" not in text:
        return text
    written: list[str] = []
    start = 0
    for code in FENCED.finditer(text):
        written += [_converted(text[start : code.start()]), code[0]]
        start = code.end()
    return "".join([*written, _converted(text[start:])])


def _converted(text: str) -> str:
    text = re.sub(r"(?s)<!--.*?-->|<(script|style)\b.*?</\1>", "", text)
    text = WHOLE.sub(lambda found: f"\n\n{html.fragment(found[0])}\n\n", text)
    return unescape(KNOWN.sub("", LINES.sub("\n", text)))
