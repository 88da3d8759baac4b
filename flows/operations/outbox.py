"""What operators are to hear and have not heard yet: an alert that no channel took is tried again later.

A network that fails takes the mail server with it. What waits is kept in Prefect, as a table of its own.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import acreate_table_artifact

from flows.operations.alerts import channels, send_alert
from tools.clients.prefect import Prefect
from tools.settings import Settings

KEY = "undelivered"
MOST = 50


@dataclass(frozen=True)
class Letter:
    """One alert; `channel` is where it has not arrived, empty for all of them."""

    subject: str
    text: str
    facts: dict[str, Any]
    channel: str = ""


async def deliver(settings: Settings, prefect: Prefect, news: Sequence[Letter]) -> None:
    """Send what waits and then the news; what a channel does not take waits, the newest `MOST` of it."""
    past = await prefect.history(KEY, limit=1)
    waiting = [Letter(**row) for row in json.loads(past[0]["data"])] if past else []
    left = [letter for item in [*waiting, *news] for letter in await _send(settings, item)]
    if left or waiting:
        await acreate_table_artifact([asdict(letter) for letter in left[-MOST:]], key=KEY)


async def _send(settings: Settings, letter: Letter) -> list[Letter]:
    """The letters that are left to send, one a channel that did not take it."""
    known = channels(settings.alerts)
    wanted = [name for name in known if letter.channel in ("", name)]
    sent = await send_alert(settings.alerts, letter.subject, letter.text, letter.facts, only=wanted)
    get_run_logger().warning(f"{letter.subject} → {sent or '—'}")
    return [
        Letter(letter.subject, letter.text, letter.facts, name) for name, said in sent.items() if said != "ok"
    ]
