"""A progress bar in Prefect's UI, for flows `ingest` and `extract_graph`: it moves in visible steps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

from flows.operations.messages import say
from tools.schema import Language

STEP_PERCENT = 5.0


class Progress:
    """Owns one bar, the Prefect artifact `artifact`; `total` items are 100 %."""

    def __init__(self, artifact: UUID, total: int, language: Language) -> None:
        self.artifact = artifact
        self.total = total
        self.language: Language = language
        self.done = self.passages = 0
        self.shown_percent = 0.0

    @property
    def sentence(self) -> str:
        """How far it is, for a person."""
        key = "batch" if self.passages else "progress"
        return say(key, self.language, done=self.done, total=self.total, passages=self.passages)

    async def step(self, count: int, passages: int = 0) -> None:
        """Count `count` more items as done; in all they have `passages`."""
        self.done += count
        self.passages = max(passages, self.passages)
        percent = 100.0 * self.done / max(self.total, 1)
        if percent - self.shown_percent >= STEP_PERCENT or self.done >= self.total:
            self.shown_percent = percent
            await aupdate_progress_artifact(
                self.artifact, progress=min(percent, 100.0), description=self.sentence
            )


@asynccontextmanager
async def open_progress(key: str, total: int, language: Language) -> AsyncIterator[Progress]:
    """A new bar at 0 %, kept in Prefect under `key`; it stays where the work stopped."""
    artifact = await acreate_progress_artifact(progress=0.0, key=key)
    assert isinstance(artifact, UUID)
    yield Progress(artifact, total, language)
