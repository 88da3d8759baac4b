"""Texts with light marks (reST, AsciiDoc, LaTeX, RTF), source code by its definitions, settings, and XML."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from flows.ingestion.encoding import decode
from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.html import page as html
from flows.ingestion.parsers.parts import Malformed, Parsed, local, parse_xml, parsing

DEFINITION = re.compile(
    r"(?:(?:export|default|public|private|protected|static|final|abstract|async|pub(?:\([a-z]+\))?|unsafe|inline|"
    r"extern|virtual|internal|sealed|override|open|data|declare)\s+)*"
    r"(?:def|class|func|fn|function|interface|struct|enum|impl|trait|type|module|namespace|object|record|protocol|"
    r"sub|procedure|package|message|service|create\s+(?:or\s+replace\s+)?(?:table|view|function|procedure|index))"
    r"\s+(?:\([^)]*\)\s*)?([\w.]+(?:::\w+)*)",
    re.IGNORECASE,
)
C_FUNCTION = re.compile(r"[A-Za-z_][\w\s*&:<>,]*?[\s*&]([\w:~]+)\s*\([^;]*$")
RST_RULE = re.compile(r"([=\-~^\"'`#*+.:_<>])\1{2,}")
LATEX_LEVELS = {"part": 1, "chapter": 1, "section": 2, "subsection": 3, "subsubsection": 4, "paragraph": 5}


def parse_code(data: bytes, suffix: str) -> Iterator[Parsed]:
    """Source code: each top-level definition under its name. Raises `Unreadable`."""
    blocks: list[str] = []
    name, lines = "", list[str]()
    for line in decode(data).split("\n"):
        found = DEFINITION.match(line) or (C_FUNCTION.match(line) if suffix in C_SUFFIXES else None)
        if found:
            kept = _belonging(lines)
            blocks += [markdown.heading(2, name), markdown.fence("\n".join(lines[: len(lines) - kept]))]
            name, lines = found[1], lines[len(lines) - kept :]
        lines.append(line)
    blocks += [markdown.heading(2, name), markdown.fence("\n".join(lines))]
    yield Parsed(markdown.join(blocks))


C_SUFFIXES = frozenset({".c", ".h", ".cc", ".cpp", ".hpp", ".java", ".cs"})


def parse_lines(data: bytes, suffix: str) -> Iterator[Parsed]:
    """Settings and logs, whose lines mean something. Raises `Unreadable`."""
    blocks = re.split(r"\n\s*\n", decode(data))
    yield Parsed(markdown.join(map(markdown.fence, blocks)))


def parse_rst(data: bytes, suffix: str) -> Iterator[Parsed]:
    """reStructuredText: underlined titles become headings. Raises `Unreadable`."""
    lines = decode(data).split("\n")
    levels: list[str] = []
    written: list[str] = []
    for line in lines:
        above = written[-1].strip() if written else ""
        is_rule = RST_RULE.fullmatch(line.strip()) is not None
        if is_rule and above and len(line.strip()) >= len(above) and not above.startswith("#"):
            levels += [line[0]] if line[0] not in levels else []
            written[-1] = f"\n{markdown.heading(levels.index(line[0]) + 1, above)}\n"
        elif not is_rule:
            written.append(line)
    yield Parsed("\n".join(written).strip())


def parse_asciidoc(data: bytes, suffix: str) -> Iterator[Parsed]:
    """AsciiDoc: `==` becomes a heading, delimited blocks become code. Raises `Unreadable`."""
    text = re.sub(
        r"(?m)^(={1,6}) +(\S.*)$", lambda found: f"\n{'#' * len(found[1])} {found[2]}\n", decode(data)
    )
    text = re.sub(r"(?m)^(?:-{4,}|\.{4,})$", "```", text)
    text = re.sub(r"(?m)^(?::[\w!-]+:.*|//.*|\[[\w,=\"%#. -]*\]|[|]===|[*_=]{4,})$\n?", "", text)
    yield Parsed(text.strip())


def parse_latex(data: bytes, suffix: str) -> Iterator[Parsed]:
    """LaTeX as text: sections, lists, paragraphs; formulas stay as they are written. Raises `Unreadable`."""
    text = re.sub(r"(?<!\\)%.*", "", decode(data))
    found = re.search(r"\\title\{((?:[^{}]|\{[^{}]*\})*)\}", text)
    text = text.partition(r"\begin{document}")[2] or text
    names = "|".join(LATEX_LEVELS)
    text = re.sub(
        rf"\\({names})\*?(?:\[[^\]]*\])?\{{((?:[^{{}}]|\{{[^{{}}]*\}})*)\}}",
        lambda one: f"\n\n{'#' * LATEX_LEVELS[one[1]]} {one[2]}\n\n",
        text,
    )
    text = re.sub(r"\\item\s*(?:\[([^\]]*)\])?", lambda one: f"\n- {one[1] or ''} ", text)
    text = re.sub(
        r"\\(?:begin|end|label|cite\w*|ref|pageref|maketitle|usepackage|vspace|hspace)\*?(?:\[[^\]]*\])?(?:\{[^}]*\})*",
        "",
        text,
    )
    for _ in range(4):  # one inside another
        text = re.sub(r"\\(?:text\w+|emph|underline|footnote|url|href|caption|mbox)\{([^{}]*)\}", r"\1", text)
    text = (
        text.replace("\\\\", "\n").replace("~", " ").replace("``", "“").replace("''", "”").replace(r"\%", "%")
    )
    text = re.sub(r"\\([&%$#_{}])", r"\1", text)
    blocks = [
        " ".join(block.split()) if "\n- " not in block else block.strip()
        for block in re.split(r"\n\s*\n", text)
    ]
    yield Parsed(markdown.join(blocks), found[1].strip() if found else "")


def parse_rtf(data: bytes, suffix: str) -> Iterator[Parsed]:
    """RTF: paragraphs and tables. Raises `Malformed`."""
    from striprtf.striprtf import rtf_to_text  # noqa: PLC0415  (only this kind needs it)

    if not data.lstrip().startswith(b"{\\rtf"):
        raise Malformed("no RTF begins it")
    with parsing(ValueError, LookupError, TypeError, AttributeError):
        text = rtf_to_text(data.decode("latin-1"), encoding="cp1252", errors="replace")
    blocks: list[str] = []
    rows: list[list[str]] = []
    for line in [*text.split("\n"), ""]:
        if line.rstrip().endswith("|"):
            rows.append(line.rstrip().removesuffix("|").split("|"))
            continue
        blocks += markdown.table(rows, headers=1 if len(rows) > 1 else 0)
        rows = []
        blocks.append(markdown.paragraph(line))
    yield Parsed(markdown.join(blocks))


def parse_tree(data: bytes, suffix: str) -> Iterator[Parsed]:
    """XML: the text of its elements; records (elements that only hold values) are lines of `name: value`.

    Raises `Malformed`, `Unreadable`."""
    text = decode(data, declared=html.declared_encoding(data))
    root = parse_xml(re.sub(r"^\s*<\?xml[^>]*\?>", "", text, count=1).encode())
    if root.tag == "html":
        yield html.page(text)
        return
    yield Parsed(markdown.join(_elements(root)))


def _elements(node: Element) -> Iterator[str]:
    """Blocks of an element: mixed content is a paragraph, values are a record."""
    children = list(node)
    if not children or (node.text or "").strip() or any((child.tail or "").strip() for child in children):
        yield markdown.paragraph(" ".join("".join(node.itertext()).split()))
        return
    values = [child for child in children if not list(child) and (child.text or "").strip()]
    if (
        len(values) > 1
        and len({child.tag for child in values}) > 1
        and all(len(child.text or "") < 200 for child in values)
    ):
        yield "\n".join(f"{local(child.tag)}: {' '.join((child.text or '').split())}" for child in values)
        children = [child for child in children if child not in values]
    for child in children:
        yield from _elements(child)


def _belonging(lines: list[str]) -> int:
    """How many of the last lines belong to the definition below: its comments and decorators."""
    kept = 0
    for line in reversed(lines):
        if not re.match(r"\s*(?:[@#*]|//|/\*|--|\"\"\")", line):
            break
        kept += 1
    return kept
