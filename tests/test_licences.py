"""What is installed and not permissive is in NOTICE, and NOTICE names nothing else."""

from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests import licences
from tests.licences import RUNTIME, TOOLS, Licence

pytestmark = pytest.mark.pure

HELD = licences.licences(distributions())


def restricted(held: Mapping[str, Licence], names: frozenset[str]) -> set[str]:
    return {name for name, one in held.items() if name in names and not one.permissive}


def installed(folder: Path, name: str, *stated: str) -> None:
    """A distribution as an installer leaves it."""
    place = folder / f"{name}-1.0.dist-info"
    place.mkdir()
    lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *stated]
    (place / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")


def test_notice_names_what_is_not_permissive_at_runtime_and_nothing_else() -> None:
    assert restricted(HELD, licences.locked(RUNTIME)) == licences.noticed(RUNTIME)


def test_notice_names_what_is_not_permissive_among_the_tools_and_nothing_else() -> None:
    only_tools = licences.locked(TOOLS) - licences.locked(RUNTIME)
    assert restricted(HELD, only_tools) == licences.noticed(TOOLS)


def test_everything_locked_is_looked_at() -> None:
    assert len(licences.locked(RUNTIME)) > 150
    assert licences.locked(RUNTIME) - set(HELD) == set()


@pytest.mark.parametrize(
    "stated",
    [
        ["License-Expression: GPL-3.0-or-later"],
        ["License-Expression: MIT AND LGPL-3.0-only"],
        ["License-Expression: MPL-2.0 AND (Apache-2.0 OR MIT)"],
        ["License-Expression: GPL-2.0-only WITH Classpath-exception-2.0"],
        ["License: Proprietary"],
        ["License: MIT", "Classifier: License :: OSI Approved :: GNU Affero General Public License v3"],
        ["Classifier: License :: OSI Approved"],
        [],
    ],
)
def test_a_new_distribution_that_is_not_permissive_is_found(tmp_path: Path, stated: list[str]) -> None:
    installed(tmp_path, "New_Thing", *stated)
    held = licences.licences(distributions(path=[str(tmp_path)]))
    assert restricted(held, frozenset({"new-thing"})) == {"new-thing"}


@pytest.mark.parametrize(
    "stated",
    [
        ["License-Expression: MIT OR GPL-3.0-only"],
        ["License-Expression: (MIT OR GPL-3.0-only) AND BSD-3-Clause"],
        ["Classifier: License :: OSI Approved", "Classifier: License :: OSI Approved :: ISC License (ISCL)"],
        ["License: Apache License, Version 2.0"],
    ],
)
def test_a_permissive_choice_needs_no_notice(tmp_path: Path, stated: list[str]) -> None:
    installed(tmp_path, "free", *stated)
    held = licences.licences(distributions(path=[str(tmp_path)]))
    assert restricted(held, frozenset({"free"})) == set()


def test_what_has_left_the_environment_is_a_stale_entry() -> None:
    left = {name: one for name, one in HELD.items() if name != "certifi"}
    assert licences.noticed(RUNTIME) - restricted(left, licences.locked(RUNTIME)) == {"certifi"}
