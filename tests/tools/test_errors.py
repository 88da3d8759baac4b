"""The tree of errors survives the wire."""

import pytest

from tools.errors import ModelNotFound, from_envelope

pytestmark = pytest.mark.pure


def test_an_error_crosses_http_and_keeps_its_class() -> None:
    first = ModelNotFound("no such model", param="model", source="pool")
    again = from_envelope(404, first.envelope(), source="api")
    assert isinstance(again, ModelNotFound)
    assert again.envelope() == first.envelope()
