"""The house rules that a machine can check: short files, rooms in order, true documents."""

import ast
import re
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import pytest

REPO = Path(__file__).parent.parent
PACKAGES = ("tools", "agents", "servers", "ui", "flows")
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "NOTICE")

ALIKE = {
    "client": "a store's client, in the folder of its store",
    "statement_check": "whether a statement of a store's language may run, in the folder of its store",
    "handlers": "what answers a path, in the folder of its protocol",
    "writer": "how an answer is written, in the folder of its protocol",
    "state": "what a graph keeps, in the folder of its agent",
    "prompts": "what a model is told, in the folder of who tells it",
    "nodes": "a graph's steps, in the folder of its agent",
    "graph": "an agent as a flowchart, in the folder of its agent",
}
"""File names that recur within a server or floor because the part they name recurs."""

SURFACES = {"http", "cli", "protocol", "ollama"}
"""Folders whose files are named after what they expose, and so like the room that does the work."""


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    return [REPO / line for line in listed.stdout.splitlines() if (REPO / line).is_file()]


def modules() -> list[Path]:
    """The product's own modules, relative to the repository, without signs, entries and migrations."""
    found = [file.relative_to(REPO) for package in PACKAGES for file in tracked(f"{package}/*.py")]
    return [file for file in found if not file.name.startswith("__") and "versions" not in file.parts]


@pytest.mark.parametrize("file", tracked("*.py"), ids=lambda file: str(file.relative_to(REPO)))
def test_a_file_can_be_read_in_one_sitting(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= 300


def test_a_function_can_be_seen_at_once() -> None:
    long = [
        f"{file}:{node.lineno} {node.name}"
        for file in modules()
        for node in ast.walk(ast.parse((REPO / file).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= 40
    ]
    assert long == []


def test_a_folder_holds_at_most_fifteen_modules() -> None:
    held = Counter(file.parent for file in tracked("*.py") if not file.name.startswith("__"))
    assert {str(folder.relative_to(REPO)): count for folder, count in held.items() if count > 15} == {}


def test_a_file_name_means_one_thing_within_a_server() -> None:
    named: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for file in modules():
        house = "/".join(file.parts[: 2 if file.parts[0] == "servers" else 1])
        surface = next((part for part in reversed(file.parts[:-1]) if part in SURFACES), "")
        named[house, surface, file.stem].append(str(file))
    again = {
        files[0]: files[1:] for (*_, stem), files in named.items() if len(files) > 1 and stem not in ALIKE
    }
    assert again == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_what_it_owns(package: str) -> None:
    silent = [file for file in tracked(f"{package}/*.py") if not file.read_text("utf-8").startswith('"""')]
    assert silent == []


def test_the_sign_on_a_room_is_all_that_its_init_holds() -> None:
    # Prefect is told not to report its first import before anything of `flows` imports it.
    but = REPO / "flows" / "__init__.py"
    more = [
        file.relative_to(REPO)
        for package in PACKAGES
        for file in tracked(f"{package}/*/__init__.py", f"{package}/__init__.py")
        if file != but and len(ast.parse(file.read_text("utf-8")).body) != 1
    ]
    assert more == []


def test_the_readme_map_names_what_is_on_disk() -> None:
    readme = (REPO / "README.md").read_text("utf-8")
    block = re.search(r"```text map\n(.*?)```", readme, re.DOTALL)
    assert block is not None, "the README has a ```text map block"
    named = set(re.findall(r"^([\w./-]+)", block[1], re.MULTILINE))
    missing = sorted(name for name in named if not (REPO / name).exists())
    assert missing == [], "named in the README and not on disk"
    assert sorted(_rooms() - named) == [], "on disk and not in the README's map"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_files_that_exist(document: str) -> None:
    text = (REPO / document).read_text("utf-8")
    named = set(re.findall(r"`((?:tools|agents|servers|ui|flows|tests|knowledge)/[\w./*-]+)`", text))
    assert sorted(name for name in named if not any(REPO.glob(name.rstrip("/")))) == []


def test_no_file_says_where_a_package_is_downloaded_from() -> None:
    address = re.compile(rb"https?://[^ \"]+\.(whl|tgz|deb|tar\.gz)\b|(?<!emit)-(extra-)?index-url")
    this = Path(__file__)
    assert [file for file in tracked() if file != this and address.search(file.read_bytes())] == []


def _rooms() -> set[str]:
    """What the map must name: top-level folders, the packages inside them, the rooms of each server."""
    folders = {file.relative_to(REPO).parts[:-1] for file in tracked("*.py", "*.md", "*.yaml")}
    wanted = {parts[:1] for parts in folders if parts and not parts[0].startswith(".")}
    wanted |= {parts[:2] for parts in folders if len(parts) >= 2 and parts[0] in PACKAGES}
    wanted |= {parts[:3] for parts in folders if len(parts) >= 3 and parts[0] == "servers"}
    return {"/".join(parts) + "/" for parts in wanted}
