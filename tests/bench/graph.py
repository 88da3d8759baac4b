"""Speed of the graph server through the stock client, as multiples of an empty round trip in the same run.

`python -m tests.bench.graph` prints the table that the graph server must keep to; `--vertices N` takes a
graph of another size than 100,000 vertices and 500,000 edges.
"""

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from nebula3.Config import Config
from nebula3.gclient.net import ConnectionPool

from servers.graph.storage.space import TABLES
from tests.bench.parts.running import running
from tools.settings import Settings

BATCH = 500
EDGES_A_VERTEX = 5
CASES = [
    ("FETCH", 2.0, 'FETCH PROP ON person "v{}" YIELD vertex AS v'),
    ("GO 1 STEP", 3.0, 'GO FROM "v{}" OVER knows YIELD knows._dst AS d'),
    ("GO 2 STEPS", 8.0, 'GO 2 STEPS FROM "v{}" OVER knows YIELD knows._dst AS d'),
    (
        "MATCH 2 hops",
        15.0,
        'MATCH (a)-[:knows]->(b)-[:knows]->(c) WHERE id(a) == "v{}" RETURN id(c) AS d, c.person.name AS n',
    ),
    ("SCAN vertices", 3.0, "MATCH (v) RETURN v LIMIT 5"),
    ("SCAN edges", 3.0, "MATCH (a)-[e:knows]->(b) RETURN id(a) AS a, e, id(b) AS b LIMIT 5"),
]


def edges(vertices: int) -> list[tuple[str, str, int]]:
    """A random graph, the same in every run."""
    chance = random.Random(7)
    return [
        (f"v{chance.randrange(vertices)}", f"v{chance.randrange(vertices)}", chance.randrange(2000, 2025))
        for _ in range(vertices * EDGES_A_VERTEX)
    ]


def load(ask: Callable[[str], Any], found: list[tuple[str, str, int]], vertices: int) -> float:
    """Rows a second of bulk INSERT EDGE."""
    ask("CREATE SPACE bench (vid_type = FIXED_STRING(16)); USE bench")
    ask("CREATE TAG person(name string, age int); CREATE EDGE knows(since int)")
    for start in range(0, vertices, BATCH):
        rows = ", ".join(f'"v{n}":("person {n}", {n % 90})' for n in range(start, start + BATCH))
        ask(f"INSERT VERTEX person(name, age) VALUES {rows}")
    texts = [
        ", ".join(f'"{src}"->"{dst}":({since})' for src, dst, since in found[start : start + BATCH])
        for start in range(0, len(found), BATCH)
    ]
    began = time.perf_counter()
    for text in texts:
        ask(f"INSERT EDGE knows(since) VALUES {text}")
    return len(found) / (time.perf_counter() - began)


def raw_rate(folder: Path, found: list[tuple[str, str, int]]) -> float:
    """Rows a second of the same batches straight into the same tables."""
    file = sqlite3.connect(folder / "raw.db", isolation_level=None)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    file.executescript(TABLES)
    began = time.perf_counter()
    for start in range(0, len(found), BATCH):
        rows = [(src, 2, 0, dst, f"[{since}]") for src, dst, since in found[start : start + BATCH]]
        file.execute("BEGIN IMMEDIATE")
        file.executemany("INSERT OR REPLACE INTO e VALUES (?, ?, ?, ?, ?)", rows)
        file.execute("COMMIT")
    took = time.perf_counter() - began
    file.close()
    return len(found) / took


def medians_ms(
    ask: Callable[[str], Any], statement: str, vertices: int, count: int = 400
) -> tuple[float, float]:
    """(an empty round trip, the statement): asked in turn, so that a busy machine slows both."""
    chance, empty, took = random.Random(11), list[float](), list[float]()
    for _ in range(count):
        text = statement.format(chance.randrange(vertices))
        began = time.perf_counter()
        ask("YIELD 1")
        between = time.perf_counter()
        ask(text)
        took.append(time.perf_counter() - between)
        empty.append(between - began)
    return statistics.median(empty) * 1000, statistics.median(took) * 1000


def cpu_s(
    ask: Callable[[str], Any], statement: str, process: psutil.Process, vertices: int, count: int = 400
) -> float:
    """Processor seconds of server and client together: what a busy machine cannot inflate."""
    chance = random.Random(13)
    began = time.process_time() + sum(process.cpu_times()[:2])
    for _ in range(count):
        ask(statement.format(chance.randrange(vertices)))
    return time.process_time() + sum(process.cpu_times()[:2]) - began


def measure(settings: Settings, process: psutil.Process, folder: Path, vertices: int) -> bool:
    """Print the table; whether every row keeps to its bound."""
    pool = ConnectionPool()
    pool.init([("127.0.0.1", settings.ports.nebula)], Config())
    session = pool.get_session("root", settings.nebula_password)

    def ask(text: str) -> Any:
        result = session.execute(text)
        assert result.is_succeeded(), result.error_msg()
        return result

    found = edges(vertices)
    rate, raw = load(ask, found, vertices), raw_rate(folder, found)
    good = report("INSERT EDGE", f"{rate:,.0f}/s of {raw:,.0f}/s", rate / raw, 0.25, at_least=True)
    for name, bound, statement in CASES:
        empty, took = medians_ms(ask, statement, vertices)
        work = cpu_s(ask, statement, process, vertices) / cpu_s(ask, "YIELD 1", process, vertices)
        what = f"{took:.3f} ms against {empty:.3f} ms; by processor time {work:.2f}"
        good &= report(name, what, took / empty, bound)
    memory = process.memory_info().rss / 2**20
    good &= report("memory, MiB", "after all of the above", memory, 300.0)
    pool.close()
    return good


def report(name: str, what: str, value: float, bound: float, *, at_least: bool = False) -> bool:
    kept = value >= bound if at_least else value <= bound
    sign = "≥" if at_least else "≤"
    print(f"{name:14} {value:9.2f}  {sign} {bound:<7g} {'kept' if kept else 'MISSED':7} {what}", flush=True)
    return kept


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--vertices", type=int, default=100_000, help="with five times as many edges")
    vertices = options.parse_args().vertices
    with tempfile.TemporaryDirectory() as folder, running(stores=["graph"]) as product:
        process = product.processes["graph"]
        print(f"idle memory {process.memory_info().rss / 2**20:.0f} MiB")
        return 0 if measure(product.settings, process, Path(folder), vertices) else 1


if __name__ == "__main__":
    sys.exit(main())
