"""The paths of engines that the pool passes on, and how their streams end. Which kind of model has them says
`servers/pool/catalog/kinds.py`."""

from collections.abc import Mapping
from typing import NamedTuple


class EnginePath(NamedTuple):
    """`typed`: its stream is one of events with a type, which ends with the event that says so; else with
    `[DONE]`. `everywhere`: every engine of its kind has it, and one that does not know it does not know the
    model."""

    typed: bool = False
    everywhere: bool = False


PATHS: Mapping[str, EnginePath] = {
    "/v1/chat/completions": EnginePath(everywhere=True),
    "/v1/completions": EnginePath(everywhere=True),
    "/v1/embeddings": EnginePath(everywhere=True),
    "/v1/responses": EnginePath(typed=True),
    "/v1/messages": EnginePath(typed=True),
    "/v1/messages/count_tokens": EnginePath(),
    "/v1/rerank": EnginePath(),
    "/v1/score": EnginePath(),
    "/tokenize": EnginePath(),
    "/detokenize": EnginePath(),
}
