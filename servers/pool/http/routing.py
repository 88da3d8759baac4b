"""`model: "auto"` over HTTP: the router's decision, said in headers and in the first event of a stream.

How it is decided is the business of `servers/pool/routing/`.
"""

from servers.pool.catalog.catalog import Catalog
from servers.pool.catalog.routing_options import QUALITY_HEADER, api_key_of, read_routing_options
from servers.pool.engines.availability import Availability
from servers.pool.feedback import Feedback
from servers.pool.http.exchange import HttpExchange
from servers.pool.http.request import PoolRequest
from servers.pool.http.writer import SSE
from servers.pool.routing.choose import choose
from servers.pool.routing.needs import needed
from servers.pool.routing.policy import context_tokens
from servers.pool.upstream import openai_format
from servers.web.sse import format_event
from tools.access.identity import LOCAL
from tools.errors import BadRequest
from tools.schema import JsonObject, Route


class AutoRouter:
    """Decides for one catalogue, by what is available now."""

    def __init__(self, catalog: Catalog, availability: Availability, feedback: Feedback) -> None:
        self.catalog, self.availability, self.feedback = catalog, availability, feedback

    def decide(self, exchange: HttpExchange, fields: JsonObject) -> Route:
        """The decision for a checked chat request, with the caller's options (its `route` field) and key.

        Takes the field `route` out. Raises BadRequest.
        """
        headers = exchange.headers
        options = read_routing_options(
            fields.pop("route", None), api_key=api_key_of(headers), quality=headers.get(QUALITY_HEADER)
        )
        state = self.availability.router_state()
        messages = fields.get("messages") or []
        correction = self.feedback.correction(tenant_of(exchange))
        route = choose(messages, self.catalog, state, options, needed(messages, fields), correction)
        window = context_tokens(self.catalog.spec(route.model))
        return route.model_copy(update={"ready": route.model in state.loaded, "context_tokens": window})

    def apply(self, exchange: HttpExchange, request: PoolRequest) -> None:
        """Give a request for `auto` its model; an OpenAI stream opens with the decision."""
        route = self.decide(exchange, request.upstream.fields)
        request.model = route.model
        request.reasons = [f"wanted {route.wanted} ({route.confidence:.0%})", *route.reasons]
        if request.stream and request.writer is SSE:
            request.first_event = event({"event": "routed", "route": route.model_dump()}, model=route.model)


def conversation(asked: JsonObject) -> JsonObject:
    """A request for a decision, with `messages` in the place of a lone `text`. Raises BadRequest for both."""
    if "text" not in asked:
        return asked
    if "messages" in asked:
        raise BadRequest(
            "text: send text or messages, not both", param="text", source="pool", code="invalid_value"
        )
    rest = {name: value for name, value in asked.items() if name != "text"}
    return {**rest, "messages": [{"role": "user", "content": asked["text"]}]}


def tenant_of(exchange: HttpExchange) -> str:
    """Whose house a request is of."""
    return exchange.principal.tenant if exchange.principal else LOCAL.tenant


def event(content: JsonObject, *, model: str) -> bytes:
    """A chunk of OpenAI's stream that carries nothing but an event of ours."""
    head = openai_format.head(model, "chat.completion.chunk", "chatcmpl")
    return format_event(
        {**head, "choices": [openai_format.choice({"delta": {}}, None)], "capibara6": content}
    )
