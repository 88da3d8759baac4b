"""Formulas: LaTeX becomes MathML that every browser draws by itself, without scripts and fonts of others.

What a formula may become is a list of elements and attributes: the converter's own text is not trusted.
"""

import re
from functools import lru_cache
from html import escape, unescape
from typing import Final
from xml.etree.ElementTree import Element

from latex2mathml import exceptions
from latex2mathml.converter import convert_to_element

MOST_CHARS: Final = 2_000
ELEMENTS: Final = frozenset(
    "math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mtable mtr "
    "mtd mstyle mpadded mphantom menclose".split()
)
ATTRIBUTES: Final = frozenset(
    "display mathvariant stretchy fence form separator largeop movablelimits accent lspace rspace width "
    "height depth linethickness columnalign rowspacing columnspacing displaystyle scriptlevel minsize "
    "maxsize".split()
)
_UNREADABLE: Final = (
    *(one for one in vars(exceptions).values() if isinstance(one, type) and issubclass(one, Exception)),
    RecursionError,
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
)
_VALUE = re.compile(r"[\w.%+ -]{0,40}")


@lru_cache(maxsize=512)
def formula_html(latex: str, *, block: bool = False) -> str:
    """A formula as MathML, named by its source for those who hear it; one that is none as the code it is."""
    shown = escape(latex.strip())
    if len(latex) <= MOST_CHARS:
        try:
            found = convert_to_element(latex.strip(), display="block" if block else "inline")
        except _UNREADABLE:
            pass
        else:
            return f'<span class="formula" role="math" title="{shown}">{_serialized(found)}</span>'
    return f"<code>{shown}</code>"


def _serialized(element: Element) -> str:
    """An element with what it may hold; of one that is not listed its text alone."""
    inside = escape(unescape(element.text or ""), quote=False)
    inside += "".join(
        _serialized(child) + escape(unescape(child.tail or ""), quote=False) for child in element
    )
    if element.tag not in ELEMENTS:
        return inside
    attributes = "".join(
        f' {name}="{value}"'
        for name, value in element.attrib.items()
        if name in ATTRIBUTES and _VALUE.fullmatch(value)
    )
    return f"<{element.tag}{attributes}>{inside}</{element.tag}>"
