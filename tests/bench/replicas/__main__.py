"""Share of prompt tokens that meet a warm prefix: a conversation's own replica against the least busy one.

Recorded conversations (`tests/pool/conversations.jsonl`) come back turn by turn, many at once, before
replicas whose caches keep the latest blocks of 16 words each, as vLLM's do. Answers are of `ANSWER` words,
questions stand behind one instruction of `SYSTEM` words. Both rules see the same arrivals.
`python -m tests.bench.replicas`
"""

import argparse
import heapq
import json
import random
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from servers.pool.upstream.backend import UpstreamRequest
from servers.pool.upstream.replicas import Replica, Replicas, head_of

RECORDED = Path(__file__).parents[2] / "pool" / "conversations.jsonl"
SYSTEM, ANSWER, BLOCK = 300, 150, 16
WORDS_S = (4_000.0, 40.0)
"""Words a second that a replica reads cold, and writes."""


class Found(NamedTuple):
    """`warm` share of prompt words; `peak`: the most that ran on one replica, of the mean at that time."""

    warm: float
    peak: float


class Cache:
    """One replica's blocks, the least recently used leave."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.kept: OrderedDict[int, None] = OrderedDict()

    def read(self, words: Sequence[str]) -> int:
        """How many words of the prompt were warm; all of them are afterwards."""
        warm, prefix, cold = 0, 0, False
        for start in range(0, len(words) - BLOCK + 1, BLOCK):
            prefix = hash((prefix, *words[start : start + BLOCK]))
            cold = cold or prefix not in self.kept
            warm += 0 if cold else BLOCK
            self.kept[prefix] = None
            self.kept.move_to_end(prefix)
        while len(self.kept) > self.blocks:
            self.kept.popitem(last=False)
        return warm


def conversations(copies: int) -> list[list[str]]:
    """The recorded turns, each conversation told apart in so many copies by who asks."""
    recorded = [json.loads(line)["turns"] for line in RECORDED.read_text("utf-8").splitlines()]
    return [[f"({copy}) {turns[0]}", *turns[1:], *turns[1:]] for copy in range(copies) for turns in recorded]


def arrivals(asked: list[list[str]], rate: float, seed: int) -> Iterator[tuple[float, UpstreamRequest]]:
    """Requests in order of time: conversations begin at random, each next turn follows when it is read."""
    chance, events = random.Random(seed), list[tuple[float, int, int]]()
    now = 0.0
    for number in chance.sample(range(len(asked)), len(asked)):
        now += chance.expovariate(rate)
        heapq.heappush(events, (now, number, 0))
    system = " ".join(f"s{n}" for n in range(SYSTEM))
    while events:
        at, number, turn = heapq.heappop(events)
        said = [{"role": "system", "content": system}]
        for before in range(turn):
            answer = " ".join(f"a{number}.{before}.{n}" for n in range(ANSWER))
            said += [
                {"role": "user", "content": asked[number][before]},
                {"role": "assistant", "content": answer},
            ]
        said.append({"role": "user", "content": asked[number][turn]})
        yield at, UpstreamRequest("/v1/chat/completions", {"messages": said}, b"")
        if turn + 1 < len(asked[number]):
            heapq.heappush(events, (at + chance.uniform(5, 30), number, turn + 1))


def run(asked: list[list[str]], *, replicas: int, blocks: int, rate: float, seed: int, own: bool) -> Found:
    """One rule over one sequence of arrivals."""
    pool = Replicas([f"http://replica-{n}" for n in range(replicas)])
    caches = {id(one): Cache(blocks) for one in pool.all}
    running: list[tuple[float, int, Replica]] = []
    warm = read = 0
    peak = 1.0
    for number, (now, request) in enumerate(arrivals(asked, rate, seed)):
        while running and running[0][0] <= now:
            heapq.heappop(running)[2].busy -= 1
        chosen = pool.choose(now, head=head_of(request) if own else None)
        words = " ".join(one["content"] for one in request.fields["messages"]).split()
        met = caches[id(chosen)].read(words)
        warm, read = warm + met, read + len(words)
        chosen.busy += 1
        took = (len(words) - met) / WORDS_S[0] + ANSWER / WORDS_S[1]
        heapq.heappush(running, (now + took, number, chosen))
        if len(running) >= 4 * replicas:
            peak = max(peak, max(one.busy for one in pool.all) / (len(running) / replicas))
    return Found(warm / read, peak)


def main(copies: int, seeds: int) -> None:
    asked = conversations(copies)
    print(f"{len(asked)} conversations, {sum(map(len, asked))} requests, {seeds} seeds")
    print("replicas  cache (words)  least busy: warm, peak   own replica: warm, peak")
    for replicas in (2, 4, 8):
        for blocks in (500, 2_000, 8_000):
            cells: list[str] = []
            for own in (False, True):
                runs = [
                    run(asked, replicas=replicas, blocks=blocks, rate=replicas, seed=seed, own=own)
                    for seed in range(seeds)
                ]
                warm, peak = (sum(column) / seeds for column in zip(*runs, strict=True))
                cells.append(f"{warm:6.1%}  {peak:4.2f}")
            print(f"{replicas:8}  {blocks * BLOCK:13}  {cells[0]:>23}  {cells[1]:>24}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    main(given.copies, given.seeds)
