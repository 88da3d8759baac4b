"""`kill -9` anywhere in an ingestion: sending the same again ends in the state of an undisturbed run."""

import asyncio
import multiprocessing
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from servers.bridge.services import Services, open_services
from tests.bridge.embedder import embedding
from tests.bridge.killed_child import POINTS, WITHIN, Point, live, run, story
from tests.bridge.snapshot import digest, snapshot
from tools.settings import Settings

SEEDS = range(20)
PATIENCE_S = 60.0
"""A store that is slow because the machine is busy is not what these tests are about."""
children = multiprocessing.get_context("forkserver")
children.set_forkserver_preload(["tests.bridge.killed_child"])


@asynccontextmanager
async def opened(graph: Settings) -> AsyncIterator[tuple[Settings, Services]]:
    patient = graph.model_copy(update={"stores": graph.stores.model_copy(update={"deadline_s": PATIENCE_S})})
    async with embedding(patient) as (_, settings), open_services(settings) as stores:
        yield settings, stores


async def undisturbed(stores: Services, seed: int) -> dict:
    """What a run without a death ends in; lived once a seed, since living it again changes nothing."""
    collection = f"whole{seed}"
    before, after = story(seed)
    _, made = await stores.collections.create("default", collection, "words", [])
    if made:
        await live(stores, collection, [*before, *after])
    return await snapshot(stores, collection)


async def killed(settings: Settings, collection: str, seed: int, point: Point) -> int | None:
    """The exit status of a child that lived the story until `point`."""
    child = children.Process(target=run, args=(settings, collection, seed, point))
    child.start()
    await asyncio.to_thread(child.join, 100)
    assert child.exitcode is not None, "the child neither ended nor died"
    return child.exitcode


async def converges(
    settings: Settings, stores: Services, seed: int, point: Point, wanted: dict, *, reached: bool
) -> None:
    collection = f"k{seed}_{point.name.replace('.', '_')}_{int(point.after)}_{point.nth}".lower()
    status = await killed(settings, collection, seed, point)
    assert status == -9 or (status == 0 and not reached), (seed, point, status)
    await live(stores, collection, story(seed)[1])
    found = await snapshot(stores, collection)
    assert found == wanted, (seed, point)
    assert digest(found) == digest(wanted)


@pytest.mark.parametrize(("name", "after"), [(name, number % 2 == 1) for number, name in enumerate(POINTS)])
async def test_a_death_at_any_step_is_repaired_by_sending_again(
    graph: Settings, name: str, after: bool
) -> None:
    async with opened(graph) as (settings, stores):
        wanted = await undisturbed(stores, 0)
        await converges(settings, stores, 0, Point(name, after=after), wanted, reached=True)


@pytest.mark.parametrize(("name", "nth"), [("nebula.execute", 11), ("nebula.execute", 23)])
async def test_a_death_half_way_is_repaired_by_sending_again(graph: Settings, name: str, nth: int) -> None:
    async with opened(graph) as (settings, stores):
        wanted = await undisturbed(stores, 1)
        await converges(settings, stores, 1, Point(name, nth=nth), wanted, reached=True)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("seed", SEEDS)
async def test_every_step_and_half_way_with_many_seeds(graph: Settings, seed: int) -> None:
    chance = random.Random(seed)
    steps = [Point(name, after=after) for name in POINTS for after in (False, True)]
    within = [Point(name, after=chance.random() < 0.5, nth=chance.randrange(60)) for name in WITHIN * 3]
    async with opened(graph) as (settings, stores):
        wanted = await undisturbed(stores, seed)
        for point in (*steps, *within):
            await converges(settings, stores, seed, point, wanted, reached=point in steps)
