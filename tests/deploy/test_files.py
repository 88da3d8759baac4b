"""What `deploy` writes says what the settings say, and the programs that read it find nothing wrong."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from servers.__main__ import app
from servers.api.main import build_app as build_api
from servers.deploy.plan import KINDS, plan
from servers.deploy.target import Target
from servers.local.machines import MACHINES
from servers.local.services import planned_services
from tests.deploy.conftest import HOSTS, SECRET
from tools.errors import BadRequest
from tools.settings import Settings

LOOPBACK_PORTS = {"n8n": 5678, "studio": 7001, "ollama": 11434}


def test_no_file_holds_a_secret_or_a_registry(rendered: Path) -> None:
    texts = {file: file.read_text() for file in rendered.rglob("*") if file.is_file()}
    assert len(texts) > 30
    assert [file for file, text in texts.items() if SECRET in text] == []
    images = [line for text in texts.values() for line in re.findall(r"image: (\S+)", text)]
    assert images and [image for image in images if "." in image.partition("/")[0].partition(":")[0]] == []
    assert [image for image in images if not re.search(r":.*\d", image)] == [], "an image that is not pinned"


def test_every_service_has_a_unit_on_its_own_machine(rendered: Path, three: Settings) -> None:
    for machine in MACHINES:
        planned = {service.name: service for service in planned_services(three, (machine,))}
        units = {
            file.stem.removeprefix("capibara6-"): file
            for file in (rendered / f"systemd/{machine}").glob("*.service")
        }
        assert set(units) - {"flows"} == set(planned)
        for name, service in planned.items():
            text = units[name].read_text()
            assert f"{' '.join(service.command[1:])}\n" in text
            assert f"KillSignal=SIG{service.stop_signal}\n" in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("machine", MACHINES)
def test_systemd_finds_nothing_wrong_with_the_units(rendered: Path, machine: str) -> None:
    files = sorted((rendered / "systemd" / machine).iterdir())
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True, check=False
    )
    ours = [line for line in checked.stderr.splitlines() if "capibara6" in line]
    assert (checked.returncode, ours) == (0, []), checked.stderr


def test_the_settings_of_the_machines_are_those_that_were_rendered_from(
    rendered: Path, three: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = rendered / "systemd/capibara6.toml"
    assert tomllib.loads(file.read_text())["hosts"] == HOSTS
    for name in [name for name in os.environ if name.startswith("CAPIBARA6_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CAPIBARA6_CONFIG", str(file))
    read = Settings.model_validate({"api_key": SECRET})
    for name in ("host", "hosts", "ports", "names", "origins"):
        assert getattr(read, name) == getattr(three, name)


def test_a_data_directory_that_is_nowhere_in_particular_is_made_by_systemd(three: Settings) -> None:
    def units(home: str) -> str:
        settings = three.model_copy(update={"home": Path(home)})
        found = [
            artifact.values["home"] for artifact in plan("systemd", settings, Target()) if artifact.values
        ]
        return " ".join(sorted({str(path) for path in found}))

    assert units(".capibara6") == "/var/lib/capibara6"
    assert units("/srv/capibara6") == "/srv/capibara6"


def composed(rendered: Path, machine: str) -> dict[str, dict[str, Any]]:
    return yaml.safe_load((rendered / f"compose/{machine}.yaml").read_text())["services"]


def test_containers_publish_the_ports_of_the_settings_on_loopback(rendered: Path, three: Settings) -> None:
    found = {
        name: port
        for machine in MACHINES
        for name, service in composed(rendered, machine).items()
        for port in service.get("ports", [])
    }
    ports = three.ports
    assert found.pop("prefect") == f"{HOSTS['services']}:{ports.prefect}:4200"
    assert {name: int(port.split(":")[1]) for name, port in found.items()} == {
        "postgres": ports.postgres,
        "redis": ports.redis,
        "milvus": ports.milvus,
        "graphd": ports.nebula,
        **LOOPBACK_PORTS,
    }
    assert {port.split(":")[0] for port in found.values()} == {"127.0.0.1"}


def test_every_container_that_goes_on_has_a_health_check(rendered: Path) -> None:
    without = [
        name
        for machine in MACHINES
        for name, service in composed(rendered, machine).items()
        if "healthcheck" not in service
    ]
    assert without == ["nebula-hosts"]


def test_volumes_and_dependencies_of_containers_exist(rendered: Path) -> None:
    for machine in MACHINES:
        whole = yaml.safe_load((rendered / f"compose/{machine}.yaml").read_text())
        for name, service in whole["services"].items():
            assert set(service.get("depends_on", {})) <= set(whole["services"]), name
            named = [volume.split(":")[0] for volume in service.get("volumes", [])]
            kept = [volume for volume in named if not volume.startswith((".", "/"))]
            assert set(kept) <= set(whole["volumes"]), name
            files = [volume for volume in named if volume.startswith(".")]
            assert [file for file in files if not (rendered / "compose" / file).exists()] == []


def test_every_variable_of_the_containers_is_in_the_example(rendered: Path) -> None:
    asked = {
        name
        for machine in MACHINES
        for name in re.findall(r"\$\{(\w+):\?", (rendered / f"compose/{machine}.yaml").read_text())
    }
    given = set(re.findall(r"^(\w+)=", (rendered / "compose/.env.example").read_text(), re.MULTILINE))
    assert asked == given


def test_the_bridge_understands_the_example_for_the_clusters(
    rendered: Path, three: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (rendered / "compose/stores.env.example").read_text()
    for name, value in re.findall(r"^(\w+)=(.+)$", text, re.MULTILINE):
        monkeypatch.setenv(name, value)
    read = Settings.model_validate({"ports": three.ports})
    assert [service.name for service in planned_services(read, ("rag",))] == ["bridge"]
    assert read.nebula_address == ("127.0.0.1", three.ports.nebula)


def test_the_firewall_opens_what_machines_ask_of_each_other_and_no_more(
    rendered: Path, three: Settings, tmp_path: Path
) -> None:
    """The script runs with a `gcloud` that writes down what it is asked."""
    asked, tool = tmp_path / "asked", tmp_path / "bin" / "gcloud"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\ncase "$*" in *describe*) exit 1;; esac\necho "$*" >> {asked}\n')
    tool.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}"}
    subprocess.run([rendered / "firewall/gcloud.sh"], env=environment, check=True)
    rules = {
        line.split()[3]: dict(re.findall(r"--([\w-]+) (\S+)", line))
        for line in asked.read_text().splitlines()
    }
    ports = three.ports
    assert {name: rule["rules"] for name, rule in rules.items()} == {
        "capibara6-rag-bridge": f"tcp:{ports.bridge}",
        "capibara6-models-pool": f"tcp:{ports.pool}",
        "capibara6-services-doors": f"tcp:{ports.api},tcp:{ports.speech},tcp:{ports.mcp},tcp:{ports.prefect}",
        "capibara6-front": "tcp:80,tcp:443,tcp:4243",
        "capibara6-ssh": "tcp:22",
        "capibara6-deny": "all",
    }
    everywhere = [name for name, rule in rules.items() if rule.get("source-ranges") == "0.0.0.0/0"]
    assert everywhere == ["capibara6-deny"]
    assert rules["capibara6-rag-bridge"]["source-tags"] == "capibara6-services,capibara6-models"


@pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed")
def test_ssh_finds_each_machine_where_the_settings_say(rendered: Path) -> None:
    for name, host in HOSTS.items():
        words = ["ssh", "-G", "-F", rendered / "ssh/config", f"capibara6-{name}"]
        read = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert f"hostname {host}\n" in read
        assert ("localforward 7001" in read) == (name == "rag")


def test_nginx_sends_every_path_of_the_api_to_it(rendered: Path, three: Settings) -> None:
    rules = re.findall(
        r"location (?:(=|~) )?(\S+) \{[^}]*proxy_pass http://capibara6_(\w+)",
        (rendered / "nginx" / "capibara6.conf").read_text(),
    )
    inside = re.compile(r"/(docs|health|metrics|redoc|openapi)")
    paths = [path for path in build_api(three).openapi()["paths"] if not inside.match(path)]
    assert len(paths) > 40
    assert {path for path in paths if _upstream(rules, path) != "api"} == {
        "/v1/audio/speech",
        "/v1/audio/transcriptions",
        "/shared/{owner}/{thread_id}",
    }, "the speech service is behind the first two either way, and people read shared conversations in a page"


def _upstream(rules: list[tuple[str, str, str]], path: str) -> str:
    """Whose location takes `path`, by nginx's order: the exact one, the first pattern, the longest prefix."""
    exact = [name for kind, place, name in rules if kind == "=" and place == path]
    matching = [name for kind, place, name in rules if kind == "~" and re.search(place, path)]
    prefixes = sorted(
        (len(place), name) for kind, place, name in rules if not kind and path.startswith(place)
    )
    return (exact + matching + [name for _, name in reversed(prefixes)])[0]


def test_scripts_are_read_by_the_shell(rendered: Path) -> None:
    for script in rendered.rglob("*.sh"):
        subprocess.run(["sh", "-n", script], check=True)


def test_a_host_that_would_break_out_of_a_file_is_refused(three: Settings) -> None:
    hosts = three.hosts.model_copy(update={"rag": "10.0.0.3; return 200"})
    for kind in KINDS:
        with pytest.raises(BadRequest):
            plan(kind, three.model_copy(update={"hosts": hosts}), Target())


def test_the_command_writes_a_kind_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    run = CliRunner().invoke
    done = run(app, ["deploy", "ssh", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert sorted(file.name for file in (tmp_path / "out/ssh").iterdir()) == ["config", "vm.sh"]
    assert run(app, ["deploy", "floppy", "--out", str(tmp_path)]).exit_code == 2
    (tmp_path / "file").write_text("")
    assert run(app, ["deploy", "ssh", "--out", str(tmp_path / "file")]).exit_code == 2
