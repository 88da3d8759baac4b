"""Where collections were a moment ago: a search of vectors asks PostgreSQL for that only now and then.

What was moved stays readable where it was for longer than a row is held here; a collection that is missing is
asked for each time.
"""

import time
from collections.abc import Callable

from servers.bridge.library import Library
from servers.bridge.manifest import CollectionRow

HELD_S = 0.5
MOST = 1_024


class Lately:
    """Rows of collections, at most `HELD_S` old."""

    def __init__(self, library: Library, clock: Callable[[], float] = time.monotonic) -> None:
        self.library, self.clock = library, clock
        self.held: dict[tuple[str, str], tuple[float, CollectionRow]] = {}

    async def collection(self, tenant: str, name: str) -> CollectionRow | None:
        """As `Library.collection`."""
        at, row = self.held.get((tenant, name), (0.0, None))
        asked = self.clock()
        if row is not None and asked - at < HELD_S:
            return row
        row = await self.library.collection(tenant, name)
        if row is not None:
            if len(self.held) >= MOST:
                self.held.clear()
            self.held[tenant, name] = asked, row
        return row

    def forget(self, tenant: str, name: str) -> None:
        self.held.pop((tenant, name), None)
