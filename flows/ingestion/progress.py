"""How far a run is, as a bar in Prefect's UI: it moves by steps that a person can see."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

STEP = 5.0


class Progress:
    """Owns one bar; `total` pieces are its whole."""

    def __init__(self, artifact: UUID, total: int) -> None:
        self.artifact = artifact
        self.total = total
        self.done = 0
        self.shown = 0.0

    async def step(self, count: int) -> None:
        """`count` more are done."""
        self.done += count
        percent = 100.0 * self.done / max(self.total, 1)
        if percent - self.shown >= STEP or self.done >= self.total:
            self.shown = percent
            await aupdate_progress_artifact(self.artifact, progress=min(percent, 100.0))


@asynccontextmanager
async def open_progress(key: str, total: int) -> AsyncIterator[Progress]:
    """A bar from nothing; it stays where the work stopped."""
    artifact = await acreate_progress_artifact(progress=0.0, key=key)
    assert isinstance(artifact, UUID)
    yield Progress(artifact, total)
