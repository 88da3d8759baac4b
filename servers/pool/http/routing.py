"""Puts the routing decision on one request's way: its model, the reasons in its headers, the first event."""

from typing import Any

from servers.pool.catalog.routing_options import read_wish, secret_of
from servers.pool.http.app import Exchange
from servers.pool.http.request import PoolRequest
from servers.pool.http.writer import EVENTS
from servers.pool.pool import Pool
from servers.pool.routing.choose import choose
from servers.pool.upstream import openai_format
from servers.web.sse import format_event
from tools.schema import Route


def routed(pool: Pool, exchange: Exchange, request: dict[str, Any]) -> Route:
    """The decision for a checked chat request, with the caller's wishes (its `route` field) and key."""
    wish = read_wish(request.pop("route", None), secret=secret_of(exchange.headers))
    return choose(request.get("messages") or [], pool.catalog, pool.state(), wish)


def send_where_wanted(pool: Pool, exchange: Exchange, order: PoolRequest) -> None:
    """Give an order for `auto` its model; an OpenAI stream opens with the decision."""
    route = routed(pool, exchange, order.request)
    order.model = route.model
    order.why = [f"wanted {route.wanted} ({route.confidence:.0%})", *route.reasons]
    if order.stream and order.writer is EVENTS:
        order.preface = event({"event": "routed", "route": route.model_dump()}, model=route.model)


def event(said: dict[str, Any], *, model: str) -> bytes:
    """A chunk of OpenAI's stream that carries nothing but an event of ours."""
    head = openai_format.head(model, "chat.completion.chunk", "chatcmpl")
    return format_event({**head, "choices": [openai_format.choice({"delta": {}}, None)], "capibara6": said})
