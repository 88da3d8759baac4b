"""`row`: the line of CONTRIBUTING.md's table that the running test belongs to."""

import pytest

from tests.workarounds.rows import Row, read_rows


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    return {row.test: row for row in read_rows()}[request.function.__name__]
