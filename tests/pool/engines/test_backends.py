"""The registry of backends: what the catalogue may name is what there is, and each model finds its own."""

import pytest
from pydantic import ValidationError

from servers.pool.catalog.backend_options import BACKENDS
from servers.pool.catalog.catalog import ModelSpec
from servers.pool.engines.backends import build_backends, instance_name
from servers.pool.upstream.backend import ManagedBackend
from servers.pool.upstream.http_session import open_session
from tests.conftest import settings_in
from tools.clients.raw.connection import ConnectionPool


async def test_the_catalogue_may_name_the_backends_that_there_are(tmp_path):
    async with open_session() as session:
        backends = build_backends(settings_in(tmp_path), session, ConnectionPool())
    assert {backend.name: backend.managed for backend in backends.all} == {
        name: fields.managed for name, fields in BACKENDS.items()
    }
    assert all(backend.managed == isinstance(backend, ManagedBackend) for backend in backends.all)


async def test_a_model_is_served_by_its_own_backend_and_a_local_one_by_ollama_too(tmp_path):
    async with open_session() as session:
        backends = build_backends(settings_in(tmp_path), session, ConnectionPool())
    own = ModelSpec(id="m", backend="vllm", weights="m", ollama="m:1b")
    assert [instance_name(own, backend) for backend in backends.of(own)] == ["m", "m@ollama"]
    away = ModelSpec(id="m", backend="openai", urls=("http://h",), ollama="m:1b")
    assert [instance_name(away, backend) for backend in backends.of(away)] == ["m"]
    ollama = ModelSpec(id="m", backend="ollama", ollama="m:1b")
    assert [instance_name(ollama, backend) for backend in backends.of(ollama)] == ["m"]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"backend": "vllm"}, "backend vllm needs weights"),
        ({"backend": "openai"}, "backend openai needs urls"),
        ({"backend": "ollama"}, "backend ollama needs ollama"),
        ({"backend": "magic"}, "Input should be 'vllm', 'openai', 'ollama' or 'extractive'"),
    ],
)
def test_a_model_without_what_its_backend_needs_is_refused(fields, complaint):
    with pytest.raises(ValidationError, match=complaint):
        ModelSpec(id="m", **fields)
