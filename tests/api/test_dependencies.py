"""How the API's routes come by what they need."""

import asyncio
from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from servers.api.http import sources, submissions, webhooks
from servers.api.http.openai import chat, files, responses
from servers.api.http.protocol import assistants, runs, store_items, thread_states, threads


def within(dependant: Dependant) -> Iterator[Dependant]:
    for one in dependant.dependencies:
        yield one
        yield from within(one)


def test_no_request_waits_for_a_thread_to_find_its_services_or_its_caller() -> None:
    rooms = (
        chat,
        files,
        responses,
        webhooks,
        sources,
        submissions,
        assistants,
        threads,
        thread_states,
        runs,
        store_items,
    )
    routes = [route for room in rooms for route in room.router.routes if isinstance(route, APIRoute)]
    found = {one.call for route in routes for one in within(route.dependant)}
    assert len(found) >= 2
    assert [call for call in found if not asyncio.iscoroutinefunction(call)] == []
