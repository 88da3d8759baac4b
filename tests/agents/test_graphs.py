"""What every agent's graph is built of."""

import asyncio

import pytest

from agents.registry import AGENTS


@pytest.mark.parametrize("name", AGENTS)
def test_nodes_and_edges_are_coroutines_so_that_no_thread_is_waited_for(name: str) -> None:
    graph = AGENTS[name].build()
    edges = [branch.path for branches in graph.branches.values() for branch in branches.values()]
    nodes = [spec.runnable for spec in graph.nodes.values()]
    assert edges
    for one in [*edges, *nodes]:
        assert one.func is None, one
        assert asyncio.iscoroutinefunction(one.afunc), one
