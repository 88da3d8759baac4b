"""Which model answers a turn: the caller's, the router's, or one that is loaded while that one loads."""

from collections.abc import Sequence

from agents.answering.model import QUOTING
from agents.context import Context
from agents.conversation.state import Turn, earlier_messages, wire
from tools.clients.pool import NOT_GENERATING, ModelInfo, Pool
from tools.errors import BadRequest, Unavailable
from tools.log import get_logger
from tools.schema import Route

SEEN_MESSAGES = 8
"""So much of the conversation is shown to the router."""
WITHOUT_MODEL = frozenset({"", "rules"})
"""What stands for the model of a turn that no model answered."""
CONFIGURE = "configure one (VLLM_URL, OLLAMA_URL or models.toml)"

log = get_logger("agents.routing")


async def choose_model(turn: Turn, context: Context) -> Route:
    """The model for a turn. Raises ModelNotFound for a name that the pool does not know."""
    pool = context.clients.pool
    chosen = await (_routed(turn, pool) if context.model == "auto" else _named(context.model, pool))
    if context.config.hands_over:
        return await _calling_tools(chosen, context)
    if chosen.ready or context.chat.while_loading == "wait":
        return chosen
    return await _meanwhile(chosen, pool)


async def _routed(turn: Turn, pool: Pool) -> Route:
    talk = [*earlier_messages(turn), turn["asked"][-1]][-SEEN_MESSAGES:]
    previous = turn.get("previous", "")
    return await pool.route(wire(talk), previous=None if previous in WITHOUT_MODEL else previous)


async def _named(name: str, pool: Pool) -> Route:
    route = Route(wanted=name, model=name, confidence=1.0, reasons=["asked for by name"])
    if name in NOT_GENERATING:
        return route
    info = await pool.model(name)
    return route.model_copy(
        update={"ready": info.get("ready", True), "context_tokens": info.get("context_tokens")}
    )


async def _calling_tools(chosen: Route, context: Context) -> Route:
    """A model that can call the caller's tools, which is waited for: one that quotes is no stand-in for it.
    Raises BadRequest, which names those that can, where the chosen one can not and no other may be chosen."""
    if chosen.model not in NOT_GENERATING:
        return chosen
    able = await context.clients.pool.generators()
    if context.model == "auto" and able:
        model = next((name for name in chosen.alternatives if name in able), able[0])
        reason = f"{chosen.model} calls no tools: {model} does"
        return chosen.model_copy(update={"model": model, "reasons": [*chosen.reasons, reason]})
    instead = f"these can: {', '.join(able)}" if able else f"no model of the pool can: {CONFIGURE}"
    raise BadRequest(
        f"{chosen.model} calls no tools; {instead}", param="tools", source="api", code="tools_not_supported"
    )


async def _meanwhile(chosen: Route, pool: Pool) -> Route:
    """Have `chosen` loaded for the next question, and answer this one with what is there."""
    try:
        await pool.begin_load(chosen.model)
    except Unavailable as exc:
        log.warning("not_loaded", model=chosen.model, reason=exc.message)
    model, window = _ready(chosen, await pool.models())
    reason = f"{chosen.model} is loading: {model} answers meanwhile"
    update = {"model": model, "ready": True, "context_tokens": window, "stands_in_for": chosen.model}
    return chosen.model_copy(update={**update, "reasons": [*chosen.reasons, reason]})


def _ready(chosen: Route, models: Sequence[ModelInfo]) -> tuple[str, int | None]:
    """The best generating model that is ready, in the router's order, and its window; else the one that
    quotes."""
    ready = {
        info["id"]: info.get("context_tokens")
        for info in models
        if info.get("ready")
        and info.get("available")
        and info["id"] not in NOT_GENERATING
        and info.get("domain") != "embedding"
    }
    first = next(
        (name for name in [*chosen.alternatives, *ready] if name in ready and name != chosen.model), QUOTING
    )
    return first, ready.get(first)
