"""What Word keeps apart from the text: which paragraphs are headings, and what number each one shows."""

from collections import defaultdict
from dataclasses import dataclass
from xml.etree.ElementTree import Element

ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
         (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
HEADING_NAMES = ("heading", "título", "titulo", "ttulo", "encabezado")
MAX_BASES = 12


@dataclass(frozen=True)
class Style:
    """Of one paragraph: its heading's level (0: none), its list and the level in it."""

    level: int = 0
    list_id: str = ""
    depth: int = 0


class Styles:
    """The styles of a document, each with what it takes from the one it is based on."""

    def __init__(self, root: Element | None) -> None:
        nodes = [] if root is None else root.findall("style")
        self.nodes = {node.get("styleId") or "": node for node in nodes}

    def of(self, paragraph: Element) -> Style:
        """The style that a paragraph has; what it says itself comes first."""
        own = paragraph.find("pPr")
        name = _value(own, "pStyle")
        chain = [own, *(node.find("pPr") for node in self._chain(name))]
        numbers = next((node for node in (_find(one, "numPr") for one in chain) if node is not None), None)
        depth = _value(numbers, "ilvl")
        return Style(
            self._level(name, chain), _value(numbers, "numId"), int(depth) if depth.isdecimal() else 0
        )

    def _chain(self, name: str) -> list[Element]:
        found: list[Element] = []
        while name in self.nodes and len(found) < MAX_BASES:
            found.append(self.nodes[name])
            name = _value(self.nodes[name], "basedOn")
        return found

    def _level(self, name: str, chain: list[Element | None]) -> int:
        for one in chain:
            outline = _value(one, "outlineLvl")
            if outline.isdecimal():
                return int(outline) + 1 if int(outline) < 9 else 0
        names = [name, *(_value(node, "name") for node in self._chain(name))]
        for given in names:
            folded = given.lower()
            if folded.startswith(HEADING_NAMES) and folded[-1:] in "123456789":
                return int(folded[-1])
            if folded in ("title", "puesto"):
                return 1
        return 0


class Numbering:
    """Counts a document's lists: the number or the mark that each item shows."""

    def __init__(self, root: Element | None) -> None:
        self.levels: dict[str, dict[int, tuple[str, str, int]]] = {}
        self.abstract: dict[str, str] = {}
        self.counts: dict[str, dict[int, int]] = defaultdict(dict)
        if root is None:
            return
        kinds = {node.get("abstractNumId") or "": node for node in root.findall("abstractNum")}
        for number in root.findall("num"):
            name, kind = number.get("numId") or "", _value(number, "abstractNumId")
            own = [
                node
                for node in (one.find("lvl") for one in number.findall("lvlOverride"))
                if node is not None
            ]
            levels = [*(kinds[kind].findall("lvl") if kind in kinds else []), *own]
            self.levels[name] = {_depth(level): _level(level) for level in levels}
            restarts = {_depth(one): _value(one, "startOverride") for one in number.findall("lvlOverride")}
            for depth, start in restarts.items():
                if start.isdecimal() and depth in self.levels[name]:
                    self.levels[name][depth] = (*self.levels[name][depth][:2], int(start))
            # Lists of one kind count on from each other, unless one says where it starts.
            self.abstract[name] = name if any(restarts.values()) else f"kind {kind}"

    def next(self, style: Style) -> tuple[str, int]:
        """What the next paragraph of this style shows before its text, and how deep it is; "" for nothing."""
        if style.list_id in ("", "0"):
            return "", 0
        levels = self.levels.get(style.list_id)
        if levels is None or style.depth not in levels:
            return "-", style.depth
        form, pattern, start = levels[style.depth]
        counts = self.counts[self.abstract[style.list_id]]
        counts[style.depth] = counts.get(style.depth, start - 1) + 1
        for deeper in [depth for depth in counts if depth > style.depth]:
            del counts[deeper]
        if form in ("bullet", "none", ""):
            return "-" if form == "bullet" else "", style.depth
        for depth, (kind, _, first) in levels.items():
            pattern = pattern.replace(f"%{depth + 1}", _shown(counts.get(depth, first), kind))
        return pattern.strip() or "-", style.depth


def _level(node: Element) -> tuple[str, str, int]:
    start = _value(node, "start")
    return _value(node, "numFmt"), _value(node, "lvlText"), int(start) if start.isdecimal() else 1


def _depth(node: Element) -> int:
    depth = node.get("ilvl") or "0"
    return int(depth) if depth.isdecimal() else 0


def _shown(number: int, form: str) -> str:
    if form in ("lowerLetter", "upperLetter") and number > 0:
        letter = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letter.upper() if form == "upperLetter" else letter
    if form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        text = ""
        for value, mark in ROMAN:
            text += mark * (number // value)
            number %= value
        return text.upper() if form == "upperRoman" else text
    return f"{number:02d}" if form == "decimalZero" else str(number)


def _find(node: Element | None, name: str) -> Element | None:
    return None if node is None else node.find(name)


def _value(node: Element | None, name: str) -> str:
    found = _find(node, name)
    return "" if found is None else found.get("val") or ""
