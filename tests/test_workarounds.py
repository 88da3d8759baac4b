"""CONTRIBUTING.md's table of what we stand on and the tests in `tests/workarounds` are one thing."""

import ast
import re
import tomllib
from importlib.metadata import version
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.workarounds.rows import REPO, read_rows

pytestmark = pytest.mark.pure


def functions_of_tests() -> set[str]:
    files = (REPO / "tests" / "workarounds").glob("test_*.py")
    bodies = [node for file in files for node in ast.parse(file.read_text("utf-8")).body]
    functions = [node for node in bodies if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {function.name for function in functions if function.name.startswith("test_")}


def requirements() -> dict[str, Requirement]:
    project: dict[str, Any] = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))
    found = map(Requirement, project["project"]["dependencies"])
    return {requirement.name: requirement for requirement in found}


def test_each_row_has_its_test_and_each_test_its_row() -> None:
    named = [row.test for row in read_rows()]
    assert sorted(named) == sorted(functions_of_tests())


def test_each_row_says_where_upstream_speaks_of_it() -> None:
    silent = [row.what for row in read_rows() if not re.search(r"\]\(https://|none found", row.reference)]
    assert silent == []


def test_what_we_stand_on_cannot_change_before_we_look() -> None:
    known = requirements()
    for row in read_rows():
        assert row.libraries, f"which library? {row.what}"
        for name in row.libraries:
            bounds = known[name].specifier
            assert {bound.operator for bound in bounds} & {"<", "=="}, f"no upper bound for {name}"
            assert bounds.contains(version(name), prereleases=True), f"{name} {version(name)} is beyond it"
