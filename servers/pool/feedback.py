"""Each house's feedback on routing: recorded, fitted, inspected and forgotten, one tenant apart from another.

What is kept of a question is five numbers that the shipped router gave it, never a word. It lies in the data
directory, `routing/<hash of the tenant>.json`, and is bounded: the oldest goes first.
"""

import hashlib
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from pydantic import Field

from servers.pool.catalog.options import Strict
from servers.pool.routing.classifier import DOMAINS, Classification
from servers.pool.routing.correction import Correction, Experience, Fitted, Judged, fit
from servers.pool.routing.quality import STRONGEST
from tools.log import get_logger
from tools.schema import JsonObject

log = get_logger("pool.feedback")

Signal: TypeAlias = Literal["up", "down", "regenerated", "escalated", "ungrounded", "agreed", "disagreed"]
FAILED: Final[dict[str, float]] = {
    "up": 0.0, "down": 1.0, "escalated": 1.0, "ungrounded": 1.0, "regenerated": 0.7,
    "agreed": 0.25, "disagreed": 0.66,
}  # fmt: skip
"""How likely a cheaper model failed, by what was heard of its answer. Of two members that agree or not it was
measured (`tests/bench/consensus.py`: the vote right 75 % and 34 % of the time); a wish for another answer is
an estimate."""
KEPT = 2_000
"""So many experiences of a house are kept."""


class RouteFeedback(Strict):
    """What a caller says of an answer: the `signal`, the `model` that gave it, and the one that did `better`.

    `agreed` and `disagreed` are noted by the consensus itself.
    """

    signal: Literal["up", "down", "regenerated", "escalated", "ungrounded"]
    model: str = Field(min_length=1, max_length=128)
    better: str | None = Field(default=None, min_length=1, max_length=128)


class Event(NamedTuple):
    """One experience, when it was made (Unix time) and what was heard."""

    at: int
    signal: str
    experience: Experience


@dataclass
class House:
    """One tenant's events, the oldest first, and the correction in force with how it was judged."""

    tenant: str
    events: list[Event] = field(default_factory=list[Event])
    fitted: Fitted | None = None
    fitted_at: int | None = None

    def to_json(self) -> JsonObject:
        """As the wire shows it: numbers only."""
        fitted = self.fitted
        return {
            "tenant": self.tenant,
            "events": len(self.events),
            "signals": dict(Counter(event.signal for event in self.events)),
            "fitted_at": self.fitted_at,
            "correction": asdict(fitted.correction) if fitted else None,
            "kind": _judged(fitted.kind) if fitted else None,
            "difficulty": _judged(fitted.difficulty) if fitted else None,
        }


class Feedback:
    """The houses of one pool, kept in `folder`. Its methods are synchronous: no two of them interleave."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._houses: dict[str, House] = {}

    def correction(self, tenant: str) -> Correction:
        """What this house's decisions are corrected by; nothing until a refit has won."""
        fitted = self.house(tenant).fitted
        return fitted.correction if fitted else Correction()

    def house(self, tenant: str) -> House:
        """A house as it stands, read from disk the first time."""
        if tenant not in self._houses:
            self._houses[tenant] = self._read(tenant)
        return self._houses[tenant]

    def tenants(self) -> list[str]:
        """Every tenant with feedback, loaded or on disk."""
        stored = (_load(path).get("tenant") for path in self.folder.glob("*.json"))
        return sorted({name for name in stored if isinstance(name, str)})

    def record(
        self,
        tenant: str,
        shipped: Classification,
        signal: Signal,
        *,
        domain: str,
        better: str | None = None,
    ) -> House:
        """Note what was heard of an answer by a model of `domain`, the uncorrected classification being
        `shipped`; `better` is the domain of a model that did it better.

        A second word on the same question takes the place of the first: who presses twice counts once.
        """
        deserved = better or (domain if signal == "up" else None)
        experience = Experience(
            tuple(round(shipped.probabilities[name], 5) for name in DOMAINS),
            round(shipped.difficulty, 5),
            deserved if deserved in DOMAINS else None,
            None if domain == STRONGEST else FAILED[signal],
        )
        house = self.house(tenant)
        same = (experience.probabilities, experience.difficulty)
        house.events = [
            event
            for event in house.events
            if (event.experience.probabilities, event.experience.difficulty) != same
        ][-KEPT + 1 :]
        house.events.append(Event(int(time.time()), signal, experience))
        self._write(house)
        return house

    def refit(self, tenant: str) -> House:
        """Fit a house's correction anew; it is in force at once where it wins on unseen feedback."""
        house = self.house(tenant)
        house.fitted, house.fitted_at = fit([event.experience for event in house.events]), int(time.time())
        self._write(house)
        return house

    def reset(self, tenant: str) -> House:
        """Forget all that a house has said, and its correction."""
        self._path(tenant).unlink(missing_ok=True)
        self._houses[tenant] = House(tenant)
        return self._houses[tenant]

    def _path(self, tenant: str) -> Path:
        return self.folder / f"{hashlib.sha256(tenant.encode()).hexdigest()[:32]}.json"

    def _read(self, tenant: str) -> House:
        """A house from disk; a file that can not be read is no house, for routing must go on."""
        path = self._path(tenant)
        if not path.exists():
            return House(tenant)
        try:
            return _house(_load(path))
        except (ValueError, KeyError, TypeError) as exc:
            log.warning("feedback_unreadable", file=path.name, error=type(exc).__name__)
            return House(tenant)

    def _write(self, house: House) -> None:
        """Keep a house on disk. A disk that is full costs the memory of it, not the answer."""
        fitted = house.fitted
        content = {
            "tenant": house.tenant,
            "events": house.events,
            "fitted": [asdict(fitted.correction), fitted.kind, fitted.difficulty] if fitted else None,
            "fitted_at": house.fitted_at,
        }
        path = self._path(house.tenant)
        draft = path.with_suffix(".draft")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_text(json.dumps(content), "utf-8")
            draft.chmod(0o600)
            draft.replace(path)
        except OSError as exc:
            log.warning("feedback_not_kept", file=path.name, error=str(exc))


def _load(path: Path) -> JsonObject:
    """A house's file; empty when it is none."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _house(content: JsonObject) -> House:
    events = [
        Event(at, signal, Experience(tuple(probabilities), *rest))
        for at, signal, (probabilities, *rest) in content["events"]
    ]
    fitted = None
    if content["fitted"]:
        correction, kind, difficulty = content["fitted"]
        fitted = Fitted(Correction(**correction), Judged(*kind), Judged(*difficulty))
    return House(content["tenant"], events, fitted, content["fitted_at"])


def _judged(part: Judged) -> JsonObject:
    return {**part._asdict(), "used": part.used}
