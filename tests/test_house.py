"""The house rules that a machine can check: files in one sitting, a README that tells the truth, no hosts."""

import re
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parent.parent
PACKAGES = ("tools", "agents", "servers", "ui", "flows")


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    return [REPO / line for line in listed.stdout.splitlines() if (REPO / line).is_file()]


@pytest.mark.parametrize("file", tracked("*.py"), ids=lambda file: str(file.relative_to(REPO)))
def test_a_file_can_be_read_in_one_sitting(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= 300


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_what_it_owns(package: str) -> None:
    silent = [
        file
        for file in tracked(f"{package}/**/*.py", f"{package}/*.py")
        if not file.read_text("utf-8").startswith('"""')
    ]
    assert silent == []


def test_the_readme_map_names_what_is_on_disk() -> None:
    readme = (REPO / "README.md").read_text("utf-8")
    block = re.search(r"```text map\n(.*?)```", readme, re.DOTALL)
    assert block is not None, "the README has a ```text map block"
    named = set(re.findall(r"^([\w./-]+)", block[1], re.MULTILINE))
    missing = sorted(name for name in named if not (REPO / name).exists())
    assert missing == [], "named in the README and not on disk"
    rooms = {f"{folder.relative_to(REPO)}/" for folder in _rooms()}
    assert sorted(rooms - named) == [], "on disk and not in the README's map"


def test_no_file_says_where_a_package_is_downloaded_from() -> None:
    address = re.compile(rb"https?://[^ \"]+\.(whl|tgz|deb|tar\.gz)\b|(?<!emit)-(extra-)?index-url")
    this = Path(__file__)
    assert [file for file in tracked() if file != this and address.search(file.read_bytes())] == []


def _rooms() -> list[Path]:
    """Top-level folders and the packages inside `agents` and `servers`."""
    folders = {file.relative_to(REPO).parts[:-1] for file in tracked("*.py", "*.md", "*.yaml")}
    wanted = {parts[:1] for parts in folders if parts and not parts[0].startswith(".")}
    wanted |= {parts[:2] for parts in folders if len(parts) >= 2 and parts[0] in ("agents", "servers")}
    return [REPO.joinpath(*parts) for parts in wanted]
