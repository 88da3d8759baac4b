"""Alerts to operators over a signed webhook and mail (SMTP); a debounce decides when a change is worth one.

Each channel that is set up answers ok or why not. What no channel took waits in `flows/operations/outbox.py`.
"""

import asyncio
import hashlib
import hmac
import json
import smtplib
from collections.abc import Awaitable, Iterable, Sequence
from email.message import EmailMessage
from typing import TypeAlias

from flows.operations import smtp
from tools.clients.http import open_http
from tools.errors import Capibara6Error, UpstreamFailed
from tools.sections import Alerts

WEBHOOK_S = 15.0

Observation: TypeAlias = tuple[float, str]
"""Seconds since 1970 and a status: ok, degraded or down."""
Snapshot: TypeAlias = tuple[float, dict[str, str]]
"""Seconds since 1970 and the status of each service then."""


def channels(alerts: Alerts) -> list[str]:
    """Names of the channels that are set up: webhook, mail. Pure."""
    by_mail = alerts.smtp is not None and alerts.to
    return [*(["webhook"] if alerts.webhook is not None else []), *(["mail"] if by_mail else [])]


async def send_alert(
    alerts: Alerts, subject: str, body: str, facts: dict[str, str], *, only: Sequence[str] | None = None
) -> dict[str, str]:
    """Send to every channel, or `only` to some; `{channel: "ok" | reason}`, empty when none is set up.

    `facts` are for machines: fields of the webhook's JSON beside `subject` and `text`.
    """
    sent: dict[str, str] = {}
    for channel in channels(alerts) if only is None else only:
        if channel == "webhook":
            sent[channel] = await _outcome(_post(alerts, {"subject": subject, "text": body, **facts}))
        else:
            sent[channel] = await _outcome(asyncio.to_thread(_mail, alerts, subject, body))
    return sent


def signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of a webhook's body: what the receiver compares with `x-capibara6-signature`."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def debounced_state(seen: Iterable[Observation], *, threshold: int, within_s: float) -> str:
    """`up` or `down` after these observations, oldest first: `threshold` in a row within `within_s` seconds
    turn it; `degraded` counts as up. Pure."""
    state, first, count = "up", 0.0, 0
    for when, status in seen:
        if ("down" if status == "down" else "up") == state:
            count = 0
            continue
        if count == 0 or when - first > within_s:
            first, count = when, 0
        count += 1
        if count >= threshold:
            state, count = ("down" if state == "up" else "up"), 0
    return state


def transitions(history: Sequence[Snapshot], *, threshold: int, within_s: float) -> dict[str, str]:
    """Services whose debounced state changed with the newest entry of `history` (oldest first), and the new
    state. Pure."""
    names = {name for _, statuses in history[-1:] for name in statuses}
    changed = {}
    for name in sorted(names):
        seen = [(when, statuses[name]) for when, statuses in history if name in statuses]
        before = debounced_state(seen[:-1], threshold=threshold, within_s=within_s)
        after = debounced_state(seen, threshold=threshold, within_s=within_s)
        if before != after:
            changed[name] = after
    return changed


async def _outcome(sending: Awaitable[None]) -> str:
    try:
        await sending
    except Capibara6Error as exc:
        return exc.message
    except (OSError, smtplib.SMTPException) as exc:
        return f"{type(exc).__name__}: {exc}"
    return "ok"


async def _post(alerts: Alerts, message: dict[str, str]) -> None:
    assert alerts.webhook is not None
    body = json.dumps(message, ensure_ascii=False).encode()
    headers = {"content-type": "application/json"}
    if alerts.secret is not None:
        headers["x-capibara6-signature"] = signature(alerts.secret.get_secret_value(), body)
    async with open_http(alerts.webhook, "webhook", timeout=WEBHOOK_S) as http:
        response = await http.send("POST", alerts.webhook, content=body, headers=headers)
    if not response.is_success:  # a redirect has told nobody
        raise UpstreamFailed(f"the webhook answered {response.status_code}", source="webhook")


def _mail(alerts: Alerts, subject: str, body: str) -> None:
    assert alerts.smtp is not None
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, alerts.sender, ", ".join(alerts.to)
    message.set_content(body)
    smtp.send(alerts.smtp, message)
