"""HTML becomes Markdown: headings, paragraphs, lists, tables, code; menus and what is not shown stay out."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from flows.ingestion.encoding import decode
from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.html.grid import cells_of, is_layout, read_table
from flows.ingestion.parsers.parts import Parsed

HIDDEN = frozenset(
    "script style template noscript svg math head iframe object select option button input textarea canvas "
    "nav dialog menu datalist audio video map".split()
)
BLOCKS = frozenset(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer "
    "form h1 h2 h3 h4 h5 h6 header hr html li main ol p pre section summary table tbody td tfoot th thead tr "
    "ul".split()
)
_ANY_BLOCK = ", ".join(sorted(BLOCKS))
BOILERPLATE = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|menu|breadcrumbs?|sidebar|cookies?|skip|skiplink|headerlink|toc|"
    r"mw-editsection|mw-jump-link|catlinks|printfooter|pagination|pager|share|social)(?:$|[\s_-])",
    re.IGNORECASE,
)
ROLES = frozenset(
    {"navigation", "banner", "contentinfo", "search", "menu", "menubar", "dialog", "alertdialog"}
)
MOST_BOILERPLATE = 0.4
"""A part that is named like a menu and holds more of a page's text than this is the page."""
LINKED = 0.8
"""A list is a menu when this share of its text is links."""


def parse(data: bytes, suffix: str) -> Iterator[Parsed]:
    """One document. Raises `Unreadable` when its bytes are no text."""
    yield page(decode(data, declared=declared_encoding(data)))


def page(text: str) -> Parsed:
    """Title and Markdown of a page."""
    tree = LexborHTMLParser(text)
    named = tree.css_first("title")
    body = tree.body
    title = " ".join(named.text().split()) if named is not None else ""
    if body is None:
        return Parsed("", title)
    _drop_boilerplate(body)
    return Parsed(markdown.join(blocks(body)), title)


def fragment(text: str) -> str:
    """Markdown of a piece of HTML, menus and all: a mail, a chapter, a table in a Markdown file."""
    body = LexborHTMLParser(text).body
    return "" if body is None else markdown.join(blocks(body))


def declared_encoding(data: bytes) -> str:
    """The encoding that a page or an XML file names itself; empty for none. Pure."""
    found = re.search(rb"""(?i)(?:charset|encoding)\s*=\s*["']?\s*([a-z0-9_:.-]+)""", data[:4_096])
    return found[1].decode() if found else ""


def blocks(node: LexborNode) -> Iterator[str]:
    """Markdown blocks of what is inside a node."""
    running: list[str] = []
    for child in node.iter(include_text=True):
        tag = child.tag or ""
        if tag in HIDDEN or _is_hidden(child):
            continue
        if tag not in BLOCKS and not _holds_blocks(child, tag):
            running.append(inline(child))
            continue
        yield markdown.paragraph(_tidy("".join(running)))
        running.clear()
        yield from _block(child, tag)
    yield markdown.paragraph(_tidy("".join(running)))


def inline(node: LexborNode) -> str:
    """The text of a node as it runs on: white space is one space, a break is a line's end."""
    if node.tag == "-text":
        return re.sub(r"\s+", " ", node.text_content or "")
    if node.tag == "br":
        return "\n"
    if node.tag in HIDDEN or node.tag in ("-comment", "-doctype") or _is_hidden(node):
        return ""
    inner = "".join(map(inline, node.iter(include_text=True)))
    return f" {inner} " if node.tag in BLOCKS else inner


def _block(node: LexborNode, tag: str) -> Iterator[str]:
    if re.fullmatch("h[1-6]", tag):
        yield markdown.heading(int(tag[1]), inline(node))
    elif tag == "pre":
        yield markdown.fence(_preformatted(node))
    elif tag in ("ul", "ol"):
        yield "\n".join(_items(node, tag, 0))
    elif tag == "dl":
        yield from _definitions(node)
    elif tag == "table" and not is_layout(node):
        rows, headers, caption = read_table(node, inline)
        yield markdown.paragraph(caption)
        yield from markdown.table(rows, headers=headers)
    elif tag == "table":
        for row in cells_of(node):
            for cell in row:
                yield from blocks(cell)
    else:
        yield from blocks(node)


def _items(node: LexborNode, tag: str, depth: int) -> Iterator[str]:
    """A line an item, nested lists indented; a number as the page shows it."""
    start = node.attributes.get("start") or "1"
    number = int(start) if start.isdigit() else 1
    for child in node.iter():
        if child.tag in ("ul", "ol"):
            yield from _items(child, child.tag, depth + 1)
            continue
        mark = f"{number}." if tag == "ol" else "-"
        number += 1
        running: list[str] = []
        nested: list[str] = []
        for inner in child.iter(include_text=True):
            if inner.tag in ("ul", "ol"):
                nested += _items(inner, inner.tag, depth + 1)
            elif inner.tag in ("pre", "table"):
                nested += "\n".join(_block(inner, inner.tag)).split("\n")
            else:
                running.append(inline(inner))
        text = " ".join("".join(running).split())
        if text:
            yield f"{'  ' * depth}{mark} {text}"
        yield from nested


def _definitions(node: LexborNode) -> Iterator[str]:
    """A term with what is said of it, in one block."""
    term: list[str] = []
    for child in node.css("dt, dd"):
        if child.parent is not None and child.parent.tag not in ("dl", "div"):
            continue
        if child.tag == "dt":
            if term:
                yield markdown.paragraph(" ".join(term))
            term = [_tidy(inline(child))]
            continue
        first, *more = [block for block in blocks(child) if block.strip()] or [""]
        yield markdown.paragraph(f"{' '.join(term).removesuffix(':')}: {first}" if term else first)
        yield from more
        term = []
    if term:
        yield markdown.paragraph(" ".join(term))


def _drop_boilerplate(body: LexborNode) -> None:
    whole = max(len(body.text()), 1)
    for node in body.css("[class], [id], [role], footer"):
        attributes = node.attributes
        named = f"{attributes.get('class') or ''} {attributes.get('id') or ''}"
        role = (attributes.get("role") or "").lower()
        is_boilerplate = BOILERPLATE.search(named) or role in ROLES or node.tag == "footer"
        if (
            is_boilerplate
            and node.tag not in ("body", "main", "html", "h1")
            and _share(node, whole) < MOST_BOILERPLATE
        ):
            node.decompose()
    for node in body.css("ul, ol"):
        links = node.css("a")
        text = len("".join(node.text().split()))
        linked = sum(len("".join(link.text().split())) for link in links)
        if len(links) >= 4 and linked >= LINKED * max(text, 1) and _share(node, whole) < MOST_BOILERPLATE / 2:
            node.decompose()


def _share(node: LexborNode, whole: int) -> float:
    return len(node.text()) / whole


def _is_hidden(node: LexborNode) -> bool:
    if node.tag in ("-text", "-comment"):
        return node.tag == "-comment"
    attributes = node.attributes
    style = (attributes.get("style") or "").replace(" ", "").lower()
    return "hidden" in attributes or "display:none" in style


def _holds_blocks(node: LexborNode, tag: str) -> bool:
    """Whether an inline element, or one of an unknown name, has blocks inside."""
    return tag not in ("-text", "-comment", "br") and node.css_first(_ANY_BLOCK) is not None


def _preformatted(node: LexborNode) -> str:
    return "".join(
        "\n" if child.tag == "br" else (child.text_content or "")
        for child in node.traverse(include_text=True)
        if child.tag in ("-text", "br")
    )


def _tidy(text: str) -> str:
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n"))))
