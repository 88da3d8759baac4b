"""Translates pymilvus' errors into ours: the caller's own, or None for a connection that is gone. Pure."""

from pymilvus.exceptions import DataNotMatchException, MilvusException, ParamError

from tools.errors import BadRequest, Capibara6Error, CollectionNotFound, UpstreamFailed

CONNECT_CODES = {2}
NOT_FOUND = 100
BAD_EXPRESSION = 1100
FILTER_ERRORS = ("expr", "FilterBits", "Cannot find field")
LITE_FILTER_HINT = (
    ", or says what only a Milvus server knows: Milvus Lite has !=, not in, and, or, like, json_contains; no "
    "not (…), not like, exists, arithmetic or chained comparison"
)


def is_wordless(exc: MilvusException) -> bool:
    """Whether words were looked for where no row has any: BM25 divides by the mean length of the rows, and
    Milvus Lite calls what it gets an invalid row of the question."""
    return "Invalid sparse row" in str(exc.message)


def translated(exc: MilvusException, *, lite: bool) -> Capibara6Error | None:
    """The error to answer with; None when the server or the connection to it is gone.

    With `lite` a refused filter is told what Milvus Lite knows."""
    text = str(exc.message)
    if isinstance(exc, DataNotMatchException | ParamError):
        code = "invalid_row" if isinstance(exc, DataNotMatchException) else "invalid_value"
        return BadRequest(text[:300], source="milvus", code=code)
    if exc.code in CONNECT_CODES or "unavailable" in text.lower():
        return None
    if exc.code == NOT_FOUND or "collection not found" in text:
        return CollectionNotFound("there is no such collection", source="milvus", param="collection")
    if exc.code == BAD_EXPRESSION or any(mark in text for mark in FILTER_ERRORS):
        message = f"the filter is not valid{LITE_FILTER_HINT if lite else ''}"
        return BadRequest(message, source="milvus", param="filter", code="invalid_filter")
    if "dimension" in text or "vector size" in text:
        message = "the vector has another dimension than the collection"
        return BadRequest(message, source="milvus", param="vector", code="wrong_dimension")
    return UpstreamFailed("milvus refused the operation", source="milvus")
