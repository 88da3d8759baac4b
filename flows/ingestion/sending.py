"""Sends documents to the bridge: in batches as large as it is quick, and on with the job when one takes long.

Which documents, and what becomes of the report, is `flows/ingest.py`'s business.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tools.clients.bridge import Bridge, Job
from tools.errors import BadRequest, TooLarge, UpstreamFailed, UpstreamSilent
from tools.schema import Document

BATCH_BYTES = 1_000_000
BATCH_S = 15.0
"""What a batch should take: one that takes longer is followed by a smaller one."""
WAIT_S = 30.0
"""How long a request waits for its batch; after that it is a job, which is asked for."""
STALLED_S = 600.0
"""A job that has told nothing new for so long is sent again."""
POLL_S: Final = (0.2, 5.0)


@dataclass
class Sent:
    """What became of documents: ids, and `(id, reason)` of the refused. `known` is False when a job wrote
    them, which only counts, and no `passages`."""

    failed: list[tuple[str, str]] = field(default_factory=list)
    added: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)
    known: bool = True
    passages: int = 0

    def __iadd__(self, other: "Sent") -> "Sent":
        self.failed += other.failed
        self.added |= other.added
        self.changed |= other.changed
        self.moved |= other.moved
        self.known = self.known and other.known
        self.passages += other.passages
        return self


async def send(bridge: Bridge, documents: Sequence[Document], collection: str) -> Sent:
    """Send documents; one that the bridge refuses is found by halving, and the others go through."""
    if not documents:
        return Sent()
    try:
        report = await bridge.ingest(documents, collection=collection, wait_s=WAIT_S)
    except (BadRequest, TooLarge) as exc:
        if len(documents) == 1:
            return Sent(failed=[(documents[0].id, exc.message)])
        middle = len(documents) // 2
        halves = Sent()
        halves += await send(bridge, documents[:middle], collection)
        halves += await send(bridge, documents[middle:], collection)
        return halves
    if report.job_id is not None:
        job = await job_end(bridge, report.job_id)
        return Sent(failed=[(item["id"], item["reason"]) for item in job["failed"]], known=False)
    failed = [(item.id, item.reason) for item in report.failed]
    changed, moved = set(report.changed), dict(report.moved)
    return Sent(failed, set(report.added), changed, moved, passages=report.passages)


async def job_end(bridge: Bridge, job_id: str) -> Job:
    """A job once it is done, however long that takes while it gets on.

    Raises UpstreamFailed, UpstreamSilent."""
    wait, heard, last = POLL_S[0], time.monotonic(), ("", 0)
    while True:
        job = await bridge.job(job_id)
        if job["state"] == "done":
            return job
        if job["state"] != "running":
            raise UpstreamFailed(f"the job is {job['state']}: {job['reason']}", source="bridge")
        if (now := (job["updated_at"] or "", job["done"])) != last:
            heard, last = time.monotonic(), now
        if time.monotonic() - heard > STALLED_S:
            raise UpstreamSilent("a job does not get on", source="bridge")
        await asyncio.sleep(wait)
        wait = min(2 * wait, POLL_S[1])


def next_size(size: int, took_s: float, most: int) -> int:
    """How many documents the next batch has, after one of `size` took so long: half when that was too long,
    twice as many when it was quick, at most `most`. Pure."""
    if took_s > BATCH_S:
        return max(1, size // 2)
    return min(most, 2 * size) if took_s < BATCH_S / 3 else size


def split(sizes: Sequence[int], size: int) -> list[slice]:
    """Batches of at most `size` items and about `BATCH_BYTES` bytes; `sizes` are the items' bytes. Pure."""
    cuts, weight = [0], 0
    for number, bytes_ in enumerate(sizes):
        if number > cuts[-1] and (number - cuts[-1] >= size or weight + bytes_ > BATCH_BYTES):
            cuts.append(number)
            weight = 0
        weight += bytes_
    return [
        slice(start, end) for start, end in zip(cuts, [*cuts[1:], len(sizes)], strict=True) if end > start
    ]
