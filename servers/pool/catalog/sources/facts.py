"""What is known of a model before anybody has loaded it. Data only; sizes in bytes."""

from dataclasses import dataclass, field

from servers.pool.catalog.backend_options import BackendName
from servers.pool.catalog.kinds import Ability, Kind
from tools.schema import JsonObject


@dataclass(frozen=True)
class Facts:
    """`place` is where it is, in the catalogue's words (`weights`, `hub`, `urls` …). None: not told."""

    name: str
    backend: BackendName
    place: JsonObject
    kind: Kind = "chat"
    architecture: str | None = None
    parameters: int | None = None
    weight_bytes: int | None = None
    """As it is served, which is more than on disk for a file that will be converted."""
    context_tokens: int | None = None
    """The longest text that it was made for."""
    token_bytes: int | None = None
    """What each token of context takes of the cache."""
    quantization: str | None = None
    template: bool | None = None
    """Whether it has a chat template."""
    abilities: frozenset[Ability] | None = None
    args: tuple[str, ...] = ()
    """Arguments that the model itself asks for, such as its parser of tool calls."""
    notes: tuple[str, ...] = field(default=())
    """What a person should know before it is used, in English."""
