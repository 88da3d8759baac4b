"""Manual pages (roff with `man` or `mdoc` macros): sections, options and examples, without the marks."""

import re
from collections.abc import Callable, Iterator

from flows.ingestion.encoding import decode
from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.parts import Parsed

_SIGNS = (
    "aq' dq\" lq“ rq” oq‘ cq’ Fo« Fc» co© rg® bu• em— en– hy- rs\\ ti~ ha^ ga` at@ sh# lB[ rB] lC{ rC} la< "
    "ra> Eu€ r?¿ r!¡ ->→ <=≤ >=≥ !=≠ mu× +-± tm™ ul_ ba| Do$"
)
SIGNS = {pair[:2]: pair[2:] for pair in _SIGNS.split()}
_NAME = r"(?:\[[^\]]*\]|\(..|.)"
ESCAPE = re.compile(
    rf"\\(?:f{_NAME}|s[-+]?\d+|[mMFgkY]{_NAME}|\((..)|\[([^\]]*)\]|\*{_NAME}|n{_NAME}|"
    r"[hvwlLbDoSHAXRN]'[^']*'|(.))"
)
PLAIN = {"e": "\\", "t": "\t", "~": " ", "0": " "} | {char: char for char in "- '`.\\"}
FONTS = frozenset(
    (
        "B I R BR BI IR IB RB RI SM SB Nm Ar Cm Em Sy Li Pa Va Vt Ft Fn Fa Ev Er Dv Ic Xr Lk Mt Ns No Op Oo "
        "Oc Dq Sq Ql Qq Pq Aq Bq Cd Dl D1 An Bx Ux Fx Nx Ox St Tn Ad Ta Pf MR"
    ).split()
)
NESTED = FONTS | {"Fl"}


def parse(data: bytes, suffix: str) -> Iterator[Parsed]:
    """One document; a file that only looks like a manual page is text. Raises `Unreadable`."""
    text = decode(data)
    if not re.search(r"(?m)^[.'](?:TH|Dd|Dt|SH|Sh)\b", text):
        yield Parsed(text)
        return
    page = _Page()
    for line in _lines(text):
        page.read(line)
    page.close()
    yield Parsed(markdown.join(page.blocks), page.title)


class _Page:
    """Collects a page's blocks, line by line."""

    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.running: list[str] = []
        self.title = ""
        self.term: list[str] | None = None
        self.literal = False
        self.skipping = False

    def read(self, line: str) -> None:
        """One line of the source."""
        if self.skipping:
            self.skipping = line.strip() != ".."
        elif re.match(r"^[.']\s*\w", line):
            words = _words(re.sub(r"^[.']\s*", "", line))
            self._macro(words[0], words[1:])
        elif not re.match(r"^[.'](?:\s|\\|$)", line):
            self._text(shown(line))

    def close(self) -> None:
        """End the block that is being read."""
        text = "\n".join(self.running) if self.literal else " ".join(self.running)
        self.running = []
        if text.strip():
            self.blocks.append(markdown.fence(text) if self.literal else markdown.paragraph(text))

    def _text(self, text: str) -> None:
        if self.literal:
            self.running.append(text)
        elif not text.strip():
            self.close()
        elif self.term is not None and not self.term:
            self.term.append(text.strip())
            self.running = [f"{text.strip()}:"]
            self.term = None
        else:
            self.running.append(text.strip())

    def _macro(self, name: str, words: list[str]) -> None:
        if name in MACROS:
            MACROS[name](self, words)
        elif name in NESTED:
            self._text(_inline([name, *words]) if name != "Nm" or words else self.title.split("(")[0])

    def titled(self, words: list[str]) -> None:
        """`.TH LS 1`"""
        self.title = f"{words[0].lower()}({words[1]})" if len(words) > 1 else " ".join(words)

    def headed(self, level: int, words: list[str]) -> None:
        """A section begins."""
        self.show()
        self.blocks.append(markdown.heading(level, " ".join(words)))

    def tagged(self, words: list[str]) -> None:
        """The next line is a term, what follows is said of it."""
        self.close()
        self.term = []

    def item(self, words: list[str]) -> None:
        """An item of a list, with its mark or its term."""
        self.close()
        first = _inline(words)
        self.running = [first if first in ("•", "-", "*") else f"{first}:"] if first else []

    def literal_from_here(self, words: list[str]) -> None:
        """Lines as they are, until the end of the example."""
        self.close()
        self.literal = True

    def part(self, words: list[str]) -> None:
        """A paragraph ends."""
        if self.literal:
            self.running.append("")
        else:
            self.close()

    def ignore(self, words: list[str]) -> None:
        """A definition of the page's own, up to its `..`."""
        self.skipping = True

    def say(self, words: list[str]) -> None:
        """Running text."""
        self._text(" ".join(words))

    def show(self, words: list[str] | None = None) -> None:
        """End an example."""
        self.close()
        self.literal = False


MACROS: dict[str, Callable[[_Page, list[str]], None]] = {
    **dict.fromkeys(("TH", "Dt"), _Page.titled),
    **dict.fromkeys(("SH", "Sh"), lambda page, words: page.headed(2, words)),
    **dict.fromkeys(("SS", "Ss"), lambda page, words: page.headed(3, words)),
    **dict.fromkeys(("TP", "TQ"), _Page.tagged),
    "IP": lambda page, words: page.item(words[:1]),
    "It": _Page.item,
    **dict.fromkeys(("nf", "EX", "Bd"), _Page.literal_from_here),
    **dict.fromkeys(("fi", "EE", "Ed"), _Page.show),
    **dict.fromkeys("PP P LP Pp HP sp RS RE Bl El".split(), _Page.part),
    **dict.fromkeys(("de", "ig", "am"), _Page.ignore),
    **dict.fromkeys(("UR", "MT"), _Page.say),
    "Nd": lambda page, words: page.say(["-", *words]),
}


def shown(text: str) -> str:
    """Text of a source without its escapes. Pure."""

    def one(found: re.Match[str]) -> str:
        sign = found[1] or found[2]
        if sign:
            code = re.fullmatch(r"u([0-9A-Fa-f]{4,6})", sign)
            return chr(int(code[1], 16)) if code and int(code[1], 16) < 0x110000 else SIGNS.get(sign, "")
        return PLAIN.get(found[3] or "", "")

    return ESCAPE.sub(one, re.sub(r"\\[\"#].*", "", text))


def _inline(words: list[str]) -> str:
    """The words of a macro as they are shown: alternating fonts are written together, options get a dash."""
    if words and re.fullmatch("[BIR]{2}", words[0]):
        return "".join(words[1:])
    parts: list[str] = []
    dash = False
    for word in words:
        if word in NESTED:
            dash = word == "Fl"
        else:
            parts.append(f"-{word}" if dash else word)
            dash = False
    return re.sub(r"\s+([,.;:)])", r"\1", " ".join(parts))


def _words(line: str) -> list[str]:
    """A macro and its arguments; those in quotes are one."""
    found = re.findall(r'"((?:[^"]|"")*)"?|(\S(?:\\ |\S)*)', re.sub(r'\\".*', "", line))
    return [shown(quoted.replace('""', '"') if quoted else plain) for quoted, plain in found] or [""]


def _lines(text: str) -> list[str]:
    return re.sub(r"(?<!\\)\\\n", "", text).split("\n")
