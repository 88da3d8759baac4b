"""The platform as a user feels it: seconds to start, memory at rest, time of `capibara6 ask`.

    python -m tests.bench.walk

Starts the whole platform twice in a temporary home, then asks 20 questions through the command and 40 over
HTTP. The HTTP time is also given as a ratio to an empty route of the same server, measured in turns.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from tests.conftest import settings_in
from tests.test_walk import ENGLISH, SPANISH, Platform, marked

QUESTIONS = (SPANISH, ENGLISH)


def resident(home: Path) -> float:
    """Proportional set size (shared pages divided among their sharers) of the platform's processes, in MB."""
    mine = [process for process in psutil.process_iter() if marked(process) == str(home.absolute())]
    return sum(process.memory_full_info().pss for process in mine) / 1e6


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(platform: Platform) -> None:
    command = [timed(lambda q=QUESTIONS[turn % 2]: platform.ask(q)) for turn in range(20)]
    print(f"capibara6 ask, median of 20      {statistics.median(command):8.2f} s")
    asked, empty = [], []
    with httpx.Client(base_url=platform.settings.api_url, timeout=30) as client:
        for turn in range(40):
            body = {"model": "capibara6", "messages": [{"role": "user", "content": QUESTIONS[turn % 2]}]}
            asked.append(timed(lambda b=body: client.post("/v1/chat/completions", json=b).raise_for_status()))
            empty.append(timed(lambda: client.get("/health/live").raise_for_status()))
    ratio = statistics.median(asked) / statistics.median(empty)
    answer = statistics.median(asked) * 1000
    print(f"an answer over HTTP, median of 40 {answer:7.0f} ms ({ratio:.0f}x an empty route)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="capibara6-") as folder:
        settings = settings_in(Path(folder) / "home")
        for name in ("first", "second"):
            platform = Platform(settings, Path(folder) / f"{name}.log")
            try:
                seconds = timed(platform.wait_open)
                print(f"{name} up, to the answered question {seconds:7.1f} s")
                if name == "second":
                    print(f"memory of everything, at rest    {resident(settings.home):8.0f} MB")
                    measure(platform)
            finally:
                print(f"stop                             {timed(platform.stop):8.1f} s")


if __name__ == "__main__":
    main()
