"""The outbox of alerts: one that no channel took is tried again at the next run.

A network that fails takes the mail server with it. What waits is kept in Prefect, as a table of its own.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from prefect import get_run_logger
from prefect.artifacts import acreate_table_artifact

from flows.operations.alerts import channels, send_alert
from tools.clients.prefect import Prefect
from tools.settings import Settings

KEY = "undelivered"
MAX_WAITING = 50


@dataclass(frozen=True)
class Alert:
    """One message to operators; `channel` is where it has not arrived, empty for all of them.

    Its fields are those of the table in Prefect; `facts` are for machines."""

    subject: str
    text: str
    facts: dict[str, str]
    channel: str = ""


async def deliver(settings: Settings, prefect: Prefect, new: Sequence[Alert]) -> None:
    """Send what waits, then `new`; of what a channel does not take, the newest `MAX_WAITING` alerts wait."""
    past = await prefect.history(KEY, limit=1)
    waiting = [Alert(**row) for row in json.loads(past[0]["data"])] if past else []
    left = [alert for item in [*waiting, *new] for alert in await _send(settings, item)]
    if left or waiting:
        await acreate_table_artifact([asdict(alert) for alert in left[-MAX_WAITING:]], key=KEY)


async def _send(settings: Settings, alert: Alert) -> list[Alert]:
    """What is left to send: one alert a channel that did not take it."""
    known = channels(settings.alerts)
    wanted = [name for name in known if alert.channel in ("", name)]
    sent = await send_alert(settings.alerts, alert.subject, alert.text, alert.facts, only=wanted)
    get_run_logger().warning(f"{alert.subject} → {sent or '—'}")
    return [
        Alert(alert.subject, alert.text, alert.facts, name)
        for name, outcome in sent.items()
        if outcome != "ok"
    ]
