"""What Milvus' errors mean."""

import pytest
from pymilvus.exceptions import MilvusException

from servers.bridge.clients.milvus.error_codes import is_wordless, translated
from tools.errors import CollectionNotFound, UpstreamFailed

pytestmark = pytest.mark.pure

NO_WORDS = 'Assert "std::isfinite(element.val)"  => Invalid sparse row: NaN or Inf value at Utils.h:269'


def test_words_looked_for_where_no_row_has_any_are_not_found_and_no_failure() -> None:
    assert is_wordless(MilvusException(2000, NO_WORDS))
    other = MilvusException(2000, "segcore error")
    assert not is_wordless(other)
    assert isinstance(translated(other, lite=True), UpstreamFailed)


def test_a_collection_that_is_gone_is_named_so() -> None:
    gone = MilvusException(100, "Can not find it: collection not found")
    assert isinstance(translated(gone, lite=True), CollectionNotFound)
