"""Each machine runs what is placed on it, by whatever address it is named."""

import pytest
from rich.console import Console

from servers.commands.up import up
from servers.local.machines import MACHINES, Machine, local_machines, machines_of, near, own_addresses
from servers.local.services import planned_services
from tools.errors import BadRequest
from tools.sections import Hosts
from tools.settings import Settings

STORES = {"postgres", "redis", "milvus", "graph"}
SERVICES = {"speech", "api", "mcp", "ui", "prefect", "worker"}
APART = Hosts(services="10.0.0.1", models="10.0.0.2", rag="10.0.0.3")


def names(settings: Settings, machine: Machine) -> set[str]:
    return {service.name for service in planned_services(settings, (machine,))}


@pytest.mark.parametrize("hosts", [Hosts(), APART])
def test_each_role_has_its_own_services_wherever_it_is(settings: Settings, hosts: Hosts) -> None:
    placed = settings.model_copy(update={"hosts": hosts})
    assert names(placed, "services") == SERVICES
    assert names(placed, "models") == {"pool"}
    assert names(placed, "rag") == STORES | {"bridge"}
    assert machines_of("all") == MACHINES and machines_of("rag") == ("rag",)


def test_on_one_machine_everything_is_planned_without_a_role(settings: Settings) -> None:
    assert local_machines(settings) == MACHINES
    assert {service.name for service in planned_services(settings)} == SERVICES | STORES | {"pool", "bridge"}


def test_a_machine_knows_itself_by_its_real_address(settings: Settings) -> None:
    real = sorted(address for address in own_addresses() if address not in ("127.0.0.1", "::1"))
    if not real:
        pytest.skip("this machine has loopback alone")
    hosts = Hosts(services="192.0.2.1", models=real[0], rag="192.0.2.3")
    assert local_machines(settings.model_copy(update={"hosts": hosts})) == ("models",)


def test_a_service_is_asked_by_the_address_that_it_binds(settings: Settings) -> None:
    def bound(host: str) -> str:
        return near(settings.model_copy(update={"host": host}), 5000)

    assert bound("127.0.0.1") == bound("0.0.0.0") == "http://127.0.0.1:5000"
    assert bound("10.0.0.1") == "http://10.0.0.1:5000"
    assert bound("fd00::1") == "http://[fd00::1]:5000"


def test_others_see_the_address_of_the_settings(settings: Settings) -> None:
    (pool,) = planned_services(settings.model_copy(update={"hosts": APART}), ("models",))
    assert pool.url == f"http://10.0.0.2:{settings.ports.pool}"


def test_a_machine_that_others_could_not_reach_is_refused(settings: Settings) -> None:
    with pytest.raises(BadRequest) as refused:
        up(settings.model_copy(update={"hosts": APART}), Console(quiet=True), ("rag",))
    assert refused.value.code == "bound_too_narrowly"
