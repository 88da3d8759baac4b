"""XML that a server sends, read in this process: without entities of its own. Pure.

A file's XML is read in the sandbox, where it may have a DTD (`flows/ingestion/parsers/parts.py`).
"""

from xml.etree import ElementTree

from flows.ingestion.unreadable import Unreadable


class NoDoctype(ElementTree.TreeBuilder):
    """Builds a tree of a document without entities of its own: those may grow without end."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """expat's hook. Raises Unreadable."""
        raise Unreadable("malformed", detail="DTD")


def parse_xml(data: bytes) -> ElementTree.Element:
    """The root of an XML document. Raises Unreadable."""
    try:
        return ElementTree.fromstring(data, ElementTree.XMLParser(target=NoDoctype()))
    except (ElementTree.ParseError, ValueError, LookupError) as exc:
        raise Unreadable("malformed", detail=str(exc)) from exc
