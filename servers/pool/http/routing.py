"""`model: "auto"` over HTTP: the router's decision, said in headers and in the first event of a stream.

How it is decided is the business of `servers/pool/routing/`.
"""

from servers.pool.catalog.catalog import Catalog
from servers.pool.catalog.routing_options import api_key_of, read_routing_options
from servers.pool.engines.availability import Availability
from servers.pool.http.exchange import HttpExchange
from servers.pool.http.request import PoolRequest
from servers.pool.http.writer import SSE
from servers.pool.routing.choose import choose
from servers.pool.upstream import openai_format
from servers.web.sse import format_event
from tools.schema import JsonObject, Route


class AutoRouter:
    """Decides for one catalogue, by what is available now."""

    def __init__(self, catalog: Catalog, availability: Availability) -> None:
        self.catalog, self.availability = catalog, availability

    def decide(self, exchange: HttpExchange, fields: JsonObject) -> Route:
        """The decision for a checked chat request, with the caller's options (its `route` field) and key.

        Takes the field `route` out. Raises BadRequest.
        """
        options = read_routing_options(fields.pop("route", None), api_key=api_key_of(exchange.headers))
        return choose(fields.get("messages") or [], self.catalog, self.availability.router_state(), options)

    def apply(self, exchange: HttpExchange, request: PoolRequest) -> None:
        """Give a request for `auto` its model; an OpenAI stream opens with the decision."""
        route = self.decide(exchange, request.upstream.fields)
        request.model = route.model
        request.reasons = [f"wanted {route.wanted} ({route.confidence:.0%})", *route.reasons]
        if request.stream and request.writer is SSE:
            request.first_event = event({"event": "routed", "route": route.model_dump()}, model=route.model)


def event(content: JsonObject, *, model: str) -> bytes:
    """A chunk of OpenAI's stream that carries nothing but an event of ours."""
    head = openai_format.head(model, "chat.completion.chunk", "chatcmpl")
    return format_event(
        {**head, "choices": [openai_format.choice({"delta": {}}, None)], "capibara6": content}
    )
