"""Which documents of a collection are listed: all, those that are named, or those of some sources."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, ColumnElement, Text, any_, literal, or_
from sqlmodel import col

from servers.bridge.manifest.tables import DocumentRow


@dataclass(frozen=True)
class DocumentFilter:
    """`ids` are exact; `prefixes` are beginnings of an id, or of the file that a document came from
    (`origin`, before there was one `metadata.origin`); `sources` are exact. Empty ones filter nothing."""

    ids: Sequence[str] = ()
    prefixes: Sequence[str] = ()
    sources: Sequence[str] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Conditions on `DocumentRow`, all of which hold. Pure."""
        found: list[ColumnElement[bool]] = []
        if self.ids:
            found.append(col(DocumentRow.id) == any_(literal(list(self.ids), ARRAY(Text))))
        if self.prefixes:
            places = (
                col(DocumentRow.id),
                col(DocumentRow.origin),
                col(DocumentRow.meta)["origin"].as_string(),
            )
            found.append(
                or_(*(at.startswith(start, autoescape=True) for at in places for start in self.prefixes))
            )
        if self.sources:
            found.append(col(DocumentRow.source_uri) == any_(literal(list(self.sources), ARRAY(Text))))
        return found
