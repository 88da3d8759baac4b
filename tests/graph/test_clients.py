"""Tools that people use with NebulaGraph, unchanged, against the server.

They are too large for the development environment: `make clients` builds some of their own. What Studio
sends is in `cases/studio.ngql`; the stock pools of nebula3 are under every other test.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from nebula3.Config import SessionPoolConfig
from nebula3.gclient.net.SessionPool import SessionPool

from tests.graph.conftest import PASSWORD, Ask

REPO = Path(__file__).parents[2]
CLIENTS, CARINA = (
    REPO / ".venv-graph-clients" / "bin" / "python",
    REPO / ".venv-graph-carina" / "bin" / "python",
)
"""Carina needs an older pydantic than the others."""

DATA = """
CREATE SPACE IF NOT EXISTS clients (vid_type = FIXED_STRING(32)); USE clients;
CREATE TAG IF NOT EXISTS person(name string, age int); CREATE EDGE IF NOT EXISTS follow(degree int);
INSERT VERTEX person(name, age) VALUES "ana":("Ana", 31), "ben":("Ben", 25);
INSERT EDGE follow(degree) VALUES "ana"->"ben":(95)
"""


def run(name: str, address: tuple[str, int], python: Path = CLIENTS) -> dict[str, Any]:
    """What the client's script printed on its last line."""
    if not python.exists():
        pytest.skip(f"{python.parts[-3]} is not there: make clients")
    env = {**os.environ, "GRAPH_PORT": str(address[1]), "GRAPH_PASSWORD": PASSWORD}
    script = REPO / "tests" / "graph" / "clients" / f"{name}.py"
    done = subprocess.run([python, script], env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_langchain_sees_the_relationships(ask: Ask, address: tuple[str, int]) -> None:
    ask(DATA)
    found = run("ask_langchain", address)
    assert "(:person)-[:follow]->(:person)" in found["schema"]
    assert found["rows"] == {"a": ["Ana"], "b": ["Ben"], "d": [95]}


def test_llama_index_writes_finds_and_deletes(ask: Ask, address: tuple[str, int]) -> None:
    ask("CREATE SPACE IF NOT EXISTS llama_properties (vid_type = FIXED_STRING(256))")
    ask("CREATE SPACE IF NOT EXISTS llama_triplets (vid_type = FIXED_STRING(256)); USE llama_triplets")
    ask("CREATE TAG IF NOT EXISTS entity(name string); CREATE EDGE IF NOT EXISTS rel(name string)")
    ask("CREATE TAG INDEX IF NOT EXISTS entity_index ON entity(name(256))")
    found = run("ask_llama_index", address)
    assert found["properties"]["got"] == ["Ana", "Lima"]
    assert found["properties"]["file"] == "a.txt"
    assert found["properties"]["triplets"] == [["Ana", "LIVES_IN", "Lima"]]
    assert ["Ana", "LIVES_IN", "Lima"] in found["properties"]["map"]
    assert found["properties"]["left"] == ["Lima"]
    assert found["triplets"]["get"] == ["ana{name: ana} -[rel:{name: knows}]-> ben{name: ben}"]
    assert found["triplets"]["left"] == []


def test_notebook_magic_shows_a_table(ask: Ask, address: tuple[str, int]) -> None:
    ask(DATA)
    assert run("ask_magic", address)["rows"] == [["Ana"], ["Ben"]]


def test_carina_maps_objects(ask: Ask, address: tuple[str, int]) -> None:
    ask("CREATE SPACE IF NOT EXISTS carina (vid_type = FIXED_STRING(20)); USE carina")
    ask("CREATE TAG IF NOT EXISTS figure(name fixed_string(30) NOT NULL, age int16 NOT NULL)")
    ask("CREATE EDGE IF NOT EXISTS love(way fixed_string(10) NOT NULL, times int8 NOT NULL)")
    assert run("ask_carina", address, CARINA) == {"name": "Ana", "age": 32, "times": 3}


def test_session_pool_of_the_stock_client_keeps_its_space(ask: Ask, address: tuple[str, int]) -> None:
    ask(DATA)
    pool = SessionPool("root", PASSWORD, "clients", [address])
    assert pool.init(SessionPoolConfig())
    for _ in range(3):
        found = pool.execute('MATCH (v) WHERE id(v) == "ana" RETURN v.person.age AS age')
        assert found.as_primitive() == [{"age": 31}]
    pool.close()


def statements() -> list[str]:
    return (Path(__file__).parent / "cases" / "studio.ngql").read_text("utf-8").splitlines()


def test_studio_logs_in_and_explores(ask: Ask) -> None:
    ask(DATA)
    answers = {statement: ask(statement) for statement in statements()}
    empty = {statement for statement, found in answers.items() if not found.row_size()}
    # Without an index, a role, a snapshot or a part there is nothing to list.
    assert empty == {
        "USE `clients`;",
        "SHOW TAG INDEXES;",
        "SHOW EDGE INDEXES;",
        "SHOW PARTS;",
        "SHOW ROLES IN `clients`;",
        "SHOW SNAPSHOTS;",
        'EXPLAIN FORMAT="dot" GO FROM "ana" OVER follow YIELD dst(edge) AS d;',
    }
