"""Random graphs and traversals against a plain-Python oracle."""

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nebula3.data.ResultSet import ResultSet
from nebula3.gclient.net import ConnectionPool

from tests.graph.conftest import PASSWORD

VERTICES = 6
Edge = tuple[int, int, int]
Ask = Callable[[str], ResultSet]

edges = st.lists(
    st.tuples(st.integers(0, VERTICES - 1), st.integers(0, VERTICES - 1), st.integers(0, 1)),
    max_size=12,
    unique=True,
)
ends = st.integers(0, VERTICES - 1)
directions = st.sampled_from(["", "REVERSELY", "BIDIRECT"])
spaces = count()
steady = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def graph_of(pool: ConnectionPool, found: list[Edge]) -> Any:
    """A session in a fresh space that holds the edges (source, destination, rank)."""
    session = pool.get_session("root", PASSWORD)
    name = f"oracle_{next(spaces)}"
    statements = [
        f"CREATE SPACE {name} (vid_type = INT64); USE {name}; CREATE TAG t(); CREATE EDGE e(w int)",
        f"INSERT VERTEX t() VALUES {', '.join(f'{n}:()' for n in range(VERTICES))}",
    ]
    if found:
        rows = ", ".join(f"{src}->{dst}@{rank}:({src + dst})" for src, dst, rank in found)
        statements.append(f"INSERT EDGE e(w) VALUES {rows}")
    for statement in statements:
        answer = session.execute(statement)
        assert answer.is_succeeded(), answer.error_msg()
    return session


def hops(found: list[Edge], vid: int, direction: str) -> list[tuple[int, Edge]]:
    """(the other end, the edge) of each step from a vertex."""
    out = [(edge[1], edge) for edge in found if edge[0] == vid and direction != "REVERSELY"]
    back = [(edge[0], edge) for edge in found if edge[1] == vid and direction]
    return out + back


def walked(found: list[Edge], start: int, low: int, high: int, direction: str) -> Counter[int]:
    """Ends of the edges that GO's steps low to high cross."""
    made: Counter[int] = Counter()
    level = {start}
    for step in range(1, high + 1):
        crossed = [other for vid in level for other, _ in hops(found, vid, direction)]
        if step >= low:
            made.update(crossed)
        level = set(crossed)
    return made


def trails(found: list[Edge], start: int, low: int, high: int) -> Counter[int]:
    """Ends of the walks of low to high edges, none repeated, that MATCH binds."""
    made: Counter[int] = Counter()

    def onwards(vid: int, used: frozenset[Edge]) -> None:
        if len(used) >= low:
            made[vid] += 1
        if len(used) < high:
            for other, edge in hops(found, vid, ""):
                if edge not in used:
                    onwards(other, used | {edge})

    onwards(start, frozenset())
    return made


def values(answer: ResultSet) -> Counter[int]:
    assert answer.is_succeeded(), answer.error_msg()
    return Counter(answer.row_values(at)[0].as_int() for at in range(answer.row_size()))


@steady
@given(found=edges, start=ends, low=st.integers(1, 3), more=st.integers(0, 2), direction=directions)
def test_go_crosses_the_edges_that_the_oracle_crosses(
    pool: ConnectionPool, found: list[Edge], start: int, low: int, more: int, direction: str
) -> None:
    session = graph_of(pool, found)
    statement = f"GO {low} TO {low + more} STEPS FROM {start} OVER e {direction} YIELD id($$) AS d"
    assert values(session.execute(statement)) == walked(found, start, low, low + more, direction)
    session.release()


@steady
@given(found=edges, start=ends, low=st.integers(0, 2), more=st.integers(0, 2))
def test_match_binds_the_trails_that_the_oracle_finds(
    pool: ConnectionPool, found: list[Edge], start: int, low: int, more: int
) -> None:
    session = graph_of(pool, found)
    statement = f"MATCH (a)-[:e*{low}..{low + more}]->(b) WHERE id(a) == {start} RETURN id(b) AS b"
    assert values(session.execute(statement)) == trails(found, start, low, low + more)
    session.release()


@steady
@given(found=edges, start=ends, end=ends)
def test_shortest_paths_are_as_long_as_the_oracle_says(
    pool: ConnectionPool, found: list[Edge], start: int, end: int
) -> None:
    session = graph_of(pool, found)
    ways: Counter[int] = Counter({start: 1})
    # From a vertex to itself the way leads there and back.
    lengths, step = {} if start == end else {start: 0}, 0
    while ways and end not in lengths:
        step += 1
        following: Counter[int] = Counter()
        for vid, many in ways.items():
            for other, _ in hops(found, vid, ""):
                if other not in lengths:
                    following[other] += many
        lengths.update(dict.fromkeys(following, step))
        ways = following
    expected = Counter({lengths[end]: ways[end]}) if end in lengths else Counter[int]()
    statement = (
        f"FIND SHORTEST PATH FROM {start} TO {end} OVER e UPTO 9 STEPS YIELD path AS p | YIELD length($-.p)"
    )
    assert values(session.execute(statement)) == +expected
    session.release()
