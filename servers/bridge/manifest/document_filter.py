"""Which documents of a collection are listed: all, or those that are named, or those of some sources."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, ColumnElement, Text, any_, literal, or_
from sqlmodel import col

from servers.bridge.manifest.tables import DocumentRow


@dataclass(frozen=True)
class DocumentFilter:
    """`ids` are exact; `prefixes` are beginnings of an id, or of the file that a record came from
    (`metadata.origin`). What is empty filters nothing."""

    ids: Sequence[str] = ()
    prefixes: Sequence[str] = ()

    def conditions(self) -> list[ColumnElement[bool]]:
        """Conditions on `DocumentRow`, all of which hold. Pure."""
        found: list[ColumnElement[bool]] = []
        if self.ids:
            found.append(col(DocumentRow.id) == any_(literal(list(self.ids), ARRAY(Text))))
        if self.prefixes:
            places = (col(DocumentRow.id), col(DocumentRow.meta)["origin"].as_string())
            found.append(
                or_(*(at.startswith(start, autoescape=True) for at in places for start in self.prefixes))
            )
        return found
