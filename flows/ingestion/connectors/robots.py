"""What a site lets robots fetch (RFC 9309): its `robots.txt`, read once a host and held to."""

import asyncio
import time
from urllib.parse import urlsplit

from protego import Protego

from flows.ingestion.unreadable import Unreadable
from tools.errors import Unavailable
from tools.fetch import AGENT, Order, fetch
from tools.sections import Fetch

MAX_BYTES = 512 * 1024
MAX_DELAY_S = 5.0
"""The longest pause between two pages that a site gets; who asks for more is visited this often."""
ANSWERED = Order(statuses=range(400, 600))


class Robots:
    """The rules of the sites that are visited, and when each was visited last. One thread uses it."""

    def __init__(self, rules: Fetch) -> None:
        self.rules = rules
        self._known: dict[str, Protego] = {}
        self._visited: dict[str, float] = {}

    def admit(self, url: str) -> None:
        """Returns when a page may be fetched: after the pause that its site asks for.

        Raises Unreadable where the site does not want it, Unavailable when it can not say, `tools.errors`."""
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        rules = self._known.get(site) or self._read(site)
        self._known[site] = rules
        if not rules.can_fetch(url, AGENT):
            raise Unreadable("robots")
        self._pause(site, min(rules.crawl_delay(AGENT) or 0.0, MAX_DELAY_S))

    def _read(self, site: str) -> Protego:
        bounded = self.rules.model_copy(update={"max_bytes": MAX_BYTES})
        answer = asyncio.run(fetch(f"{site}/robots.txt", rules=bounded, order=ANSWERED))
        if answer.status >= 500:  # RFC 9309, 2.3.1.4: it may forbid everything
            raise Unavailable(f"{site}/robots.txt answered {answer.status}", source="fetch")
        return Protego.parse(answer.body.decode("utf-8", errors="replace"))

    def _pause(self, site: str, seconds: float) -> None:
        last = self._visited.get(site)
        if seconds and last is not None:
            time.sleep(max(0.0, last + seconds - time.monotonic()))
        self._visited[site] = time.monotonic()
