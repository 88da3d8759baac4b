"""How chances of failing did on recorded outcomes that they were not fitted on. Pure."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from servers.pool.routing.quality import apgr, calibration_error, curve
from servers.pool.routing.training.dataset import Outcome
from servers.pool.routing.training.sparse import Floats
from tools.schema import JsonObject

Doubles: TypeAlias = NDArray[np.float64]


def brier(chance: Doubles, failed: Floats, counts: Floats) -> float:
    """The mean squared error of `chance`, each row weighing its count; 0 without rows."""
    error = float((counts * (chance - failed) ** 2).sum() / counts.sum()) if len(counts) else 0.0
    return round(error, 4)


def by_source(outcomes: Sequence[Outcome], chances: Sequence[float]) -> dict[str, JsonObject]:
    """How `chances` order the outcomes of each source, and how true they are."""
    found: dict[str, JsonObject] = {}
    for source in sorted({item.source for item in outcomes}):
        pairs = [(item, c) for item, c in zip(outcomes, chances, strict=True) if item.source == source]
        chance, failed = [c for _, c in pairs], [item.failed for item, _ in pairs]
        weak, strong = [1 - value for value in failed], [1 - i.failed + i.gained for i, _ in pairs]
        area = round(apgr(chance, weak, strong), 3) if sum(weak) != sum(strong) else None
        error = round(calibration_error(chance, failed), 3)
        found[source] = {"outcomes": len(pairs), "apgr": area, "calibration error": error}
    return found


def drawn_curve(chance: Doubles, failed: Floats, gained: Floats) -> JsonObject | None:
    """The curve of `quality` on recorded outcomes, None when the two models are equally right."""
    weak, strong = (
        [float(1 - value) for value in failed],
        [float(g - f + 1) for f, g in zip(failed, gained, strict=True)],
    )
    if sum(weak) == sum(strong):
        return None
    points = [[round(float(value), 4) for value in point] for point in curve(list(chance), weak, strong)]
    return {"outcomes": len(weak), "apgr": round(apgr(list(chance), weak, strong), 3), "points": points}
