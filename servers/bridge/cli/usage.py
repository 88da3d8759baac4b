"""`capibara6 usage`: what keys and users used, over the bridge's HTTP API."""

from enum import StrEnum
from typing import Annotated

import typer

from servers.bridge.cli.asking import Asking


class Group(StrEnum):
    """By what use is added up."""

    USER = "user"
    KEY = "key"
    MODEL = "model"
    DAY = "day"


def usage(
    since: Annotated[str | None, typer.Option(help="Desde este día, AAAA-MM-DD · from this day on.")] = None,
    until: Annotated[str | None, typer.Option(help="Hasta este día · to this day.")] = None,
    group: Annotated[Group, typer.Option(help="user, key, model, day")] = Group.DAY,
) -> None:
    """Cuánto se ha usado, los últimos 30 días por omisión · what was used, by default in 30 days."""
    asking = Asking()
    found = asking.bridge(lambda bridge: bridge.usage(since=since, until=until, group=group.value))
    asking.table(
        ("De", group.value, "Peticiones", "Tokens leídos", "Tokens escritos", "Audio (s)"),
        ("Tenant", group.value, "Requests", "Tokens in", "Tokens out", "Audio (s)"),
        [
            (
                row["tenant"],
                row["name"],
                row["requests"],
                row["tokens_in"],
                row["tokens_out"],
                f"{row['audio_s']:.1f}",
            )
            for row in found
        ],
    )
