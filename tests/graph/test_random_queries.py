"""Random graphs and random queries: the server gives the rows that the naive evaluator gives.

Each query runs in a space with indexes and in one without: which way an answer is found changes nothing.
"""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from nebula3.gclient.net import ConnectionPool

from tests.graph.conftest import PASSWORD
from tests.graph.naive import Condition, Edge, Graph, Link, Node, Pattern, Row, go, holds, matches, table

PROPS = {"p": ["age", "size"], "q": ["age"]}
KINDS = ["e", "f"]
SCHEMA = "CREATE TAG p(age int, size int); CREATE TAG q(age int); CREATE EDGE e(w int); CREATE EDGE f(w int)"
INDEXES = "CREATE TAG INDEX i ON p(age); CREATE TAG INDEX j ON q(); CREATE EDGE INDEX k ON e(w)"
QUERIES_A_GRAPH = 25


def random_graph(chance: random.Random) -> Graph:
    vids = range(1, chance.randint(3, 7))
    vertices: dict[int, dict[str, dict[str, Any]]] = {}
    for vid in vids:
        tags = chance.choice([["p"], ["q"], ["p", "q"], ["p"]])
        vertices[vid] = {tag: {prop: _number(chance) for prop in PROPS[tag]} for tag in tags}
    edges: dict[tuple[int, str, int, int], Edge] = {}
    for _ in range(chance.randint(2, 11)):
        # Vertex 8 is never there: edges to it dangle.
        src, dst = chance.choice([*vids, 8]), chance.choice([*vids, *vids, 8])
        kind, rank = chance.choice(KINDS), chance.choice([0, 0, 0, 1])
        edges[(src, kind, rank, dst)] = Edge(src, kind, rank, dst, _number(chance))
    return Graph(vertices, list(edges.values()))


def _number(chance: random.Random) -> int | None:
    return chance.choice([None, 1, 2, 3, 4])


def _text(value: Any) -> str:
    return "NULL" if value is None else str(value)


def store(session: Any, graph: Graph) -> None:
    statements = []
    for vid, tags in graph.vertices.items():
        for tag, props in tags.items():
            values = ", ".join(map(_text, props.values()))
            statements.append(f"INSERT VERTEX {tag}({', '.join(props)}) VALUES {vid}:({values})")
    for edge in graph.edges:
        key = f"{edge.src}->{edge.dst}@{edge.rank}"
        statements.append(f"INSERT EDGE {edge.kind}(w) VALUES {key}:({_text(edge.weight)})")
    done = session.execute("; ".join(statements))
    assert done.is_succeeded(), done.error_msg()


# ---------------------------------------------------------------- random queries and their texts


def random_pattern(chance: random.Random) -> Pattern:
    count = chance.choice([1, 2, 2, 3])
    nodes = [Node(f"n{at}", chance.choice([[], [], ["p"], ["q"], ["p", "q"]])) for at in range(count)]
    if count == 3 and chance.random() < 0.2:
        nodes[2] = Node("n0")
    links = []
    for at in range(count - 1):
        hops = chance.choice([None, None, (1, 2), (0, 2), (2, 3)])
        links.append(Link(f"l{at}", chance.choice([[], ["e"], ["f"], KINDS]), _way(chance), hops))
    return Pattern(nodes, links)


def _way(chance: random.Random) -> str:
    return chance.choice(["out", "in", "both"])


def random_test(chance: random.Random, pattern: Pattern, depth: int = 0) -> Condition:
    if depth < 2 and chance.random() < 0.35:
        what = chance.choice(["and", "or", "not"])
        count = 1 if what == "not" else 2
        return Condition(what, parts=[random_test(chance, pattern, depth + 1) for _ in range(count)])
    singles = [link.name for link in pattern.links if link.hops is None]
    op, value = chance.choice(["==", "!=", "<", ">="]), chance.randint(1, 4)
    if singles and chance.random() < 0.3:
        return Condition("weight", chance.choice(singles), op, value)
    name = chance.choice(pattern.nodes).name
    if chance.random() < 0.35:
        return (
            Condition("id", name, "==", value)
            if chance.random() < 0.5
            else Condition("id", name, "in", [value, 2])
        )
    return Condition(chance.choice(["p.age", "p.size", "q.age"]), name, op, value)


def condition_text(test: Condition) -> str:
    if test.what == "not":
        return f"NOT ({condition_text(test.parts[0])})"
    if test.what in ("and", "or"):
        return "(" + f" {test.what.upper()} ".join(map(condition_text, test.parts)) + ")"
    left = {"id": f"id({test.name})", "weight": f"{test.name}.w"}.get(test.what, f"{test.name}.{test.what}")
    return f"{left} {test.op.upper()} {test.value}"


def pattern_text(pattern: Pattern) -> str:
    made, seen = [], set[str]()
    for at, node in enumerate(pattern.nodes):
        if at:
            made.append(_link_text(pattern.links[at - 1]))
        made.append(f"({node.name}{''.join(f':{tag}' for tag in node.tags)})")
        seen.add(node.name)
    return "".join(made)


def _link_text(link: Link) -> str:
    kinds = f":{'|'.join(link.kinds)}" if link.kinds else ""
    hops = f"*{link.hops[0]}..{link.hops[1]}" if link.hops else ""
    body = f"-[{link.name}{kinds}{hops}]-"
    return {"out": f"{body}>", "in": f"<{body}"}.get(link.way, body)


Question = tuple[str, Counter[Row]]


def match_question(chance: random.Random, graph: Graph) -> Question:
    pattern = random_pattern(chance)
    where = random_test(chance, pattern) if chance.random() < 0.7 else None
    distinct = chance.random() < 0.3
    names = list(dict.fromkeys(node.name for node in pattern.nodes))
    columns = [f"id({name}) AS {name}" for name in names]
    for link in pattern.links:
        columns.append(f"size({link.name}) AS {link.name}" if link.hops else f"{link.name}.w AS {link.name}")
    text = f"MATCH {pattern_text(pattern)}{f' WHERE {condition_text(where)}' if where else ''}"
    text += f" RETURN {'DISTINCT ' if distinct else ''}{', '.join(columns)}"

    def row(bound: dict[str, Any]) -> Row:
        ends = [len(bound[link.name]) if link.hops else bound[link.name].weight for link in pattern.links]
        return (*(bound[name] for name in names), *ends)

    return text, table(map(row, matches(graph, pattern, where)), distinct=distinct)


def go_question(chance: random.Random, graph: Graph) -> Question:
    starts = sorted(chance.sample(range(1, 9), chance.randint(1, 3)))
    kinds, way = chance.choice([["e"], ["f"], KINDS]), _way(chance)
    low = chance.randint(1, 3)
    span = (low, low + chance.randint(0, 2))
    direction = {"out": "", "in": " REVERSELY", "both": " BIDIRECT"}[way]
    distinct, least = chance.random() < 0.4, chance.choice([None, 2, 3])
    where = f" WHERE properties(edge).w >= {least}" if least else ""
    text = f"GO {span[0]} TO {span[1]} STEPS FROM {', '.join(map(str, starts))} OVER {', '.join(kinds)}"
    text += f"{direction}{where} YIELD {'DISTINCT ' if distinct else ''}"
    text += "src(edge) AS s, type(edge) AS t, rank(edge) AS r, dst(edge) AS d"
    kept = (
        edge
        for edge in go(graph, starts, kinds, way, span)
        if not least or (edge.weight is not None and edge.weight >= least)
    )
    return text, table(((edge.src, edge.kind, edge.rank, edge.dst) for edge in kept), distinct=distinct)


def fetch_question(chance: random.Random, graph: Graph) -> Question:
    wanted = sorted(chance.sample(range(1, 9), 3))
    text = f"FETCH PROP ON p, q {', '.join(map(str, wanted))} YIELD id(vertex) AS v, p.age AS a, q.age AS b"
    found = (vid for vid in wanted if vid in graph.vertices)

    def prop(vid: int, tag: str) -> Any:
        return graph.vertices[vid][tag]["age"] if tag in graph.vertices[vid] else "EMPTY"

    return text, table(((vid, prop(vid, "p"), prop(vid, "q")) for vid in found), distinct=False)


def count_question(chance: random.Random, graph: Graph) -> Question:
    """Grouped counts over a pattern: how many matches each first node has."""
    pattern = random_pattern(chance)
    where = random_test(chance, pattern) if chance.random() < 0.5 else None
    text = f"MATCH {pattern_text(pattern)}{f' WHERE {condition_text(where)}' if where else ''}"
    found = Counter(bound["n0"] for bound in matches(graph, pattern, where))
    return f"{text} RETURN id(n0) AS n, count(*) AS c", Counter(found.items())


QUESTIONS = [match_question, match_question, match_question, go_question, fetch_question, count_question]


def value_of(value: Any) -> Any:
    if value.is_null():
        return None
    if value.is_empty():
        return "EMPTY"
    return value.as_int() if value.is_int() else value.as_string()


def answer(session: Any, text: str) -> Counter[Row]:
    found = session.execute(text)
    assert found.is_succeeded(), f"{text}: {found.error_msg()}"
    return Counter(tuple(map(value_of, found.row_values(at))) for at in range(found.row_size()))


@pytest.fixture
def sessions(pool: ConnectionPool) -> Iterator[list[Any]]:
    """A session in a space with indexes, and one in a space without."""
    with pool.session_context("root", PASSWORD) as one, pool.session_context("root", PASSWORD) as other:
        for session, name, indexes in ((one, "chance_indexed", INDEXES), (other, "chance_bare", "YIELD 1")):
            made = f"DROP SPACE IF EXISTS {name}; CREATE SPACE {name} (vid_type = INT64); USE {name}"
            assert session.execute(f"{made}; {SCHEMA}; {indexes}").is_succeeded()
        yield [one, other]


def ask_at_random(sessions: list[Any], seed: int, graphs: int) -> None:
    for number in range(graphs):
        chance = random.Random(f"{seed} {number}")
        graph = random_graph(chance)
        for session, name in zip(sessions, ("chance_indexed", "chance_bare"), strict=True):
            assert session.execute(f"CLEAR SPACE {name}").is_succeeded()
            store(session, graph)
        for _ in range(QUERIES_A_GRAPH):
            text, expected = chance.choice(QUESTIONS)(chance, graph)
            for session in sessions:
                assert answer(session, text) == expected, f"{text}\n{graph}"


def test_random_queries_have_the_rows_of_a_naive_evaluator(sessions: list[Any]) -> None:
    ask_at_random(sessions, 1, 16)


@pytest.mark.soak
def test_five_thousand_random_queries_have_the_rows_of_a_naive_evaluator(sessions: list[Any]) -> None:
    ask_at_random(sessions, 2, 200)


def test_naive_evaluator_knows_three_values() -> None:
    graph = Graph({1: {"p": {"age": None, "size": 2}}}, [])
    old, big = Condition("p.age", "n", "<", 3), Condition("p.size", "n", ">=", 2)
    assert holds(old, graph, {"n": 1}) is None
    assert holds(Condition("or", parts=[old, big]), graph, {"n": 1}) is True
    assert holds(Condition("and", parts=[old, big]), graph, {"n": 1}) is None
