"""The schema of a collection of passages in Milvus: its fields and their indexes. Pure."""

from pymilvus import CollectionSchema, DataType, Function, FunctionType, MilvusClient
from pymilvus.milvus_client import IndexParams

TEXT_BYTES = 65_535
"""The longest VARCHAR of Milvus."""


def schema(dimensions: int, *, bm25: bool) -> CollectionSchema:
    """The fields; with `bm25` Milvus makes the sparse vector from `tokens`, else it only keeps them."""
    made = MilvusClient.create_schema(enable_dynamic_field=False)
    made.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
    lengths = {"document_id": 1_024, "tenant": 64, "language": 8, "title": 4_000, "source": 8_000}
    for name, length in {**lengths, "heading": 8_000, "text": TEXT_BYTES}.items():
        made.add_field(name, DataType.VARCHAR, max_length=length)
    made.add_field("metadata", DataType.JSON)
    made.add_field("dense", DataType.FLOAT_VECTOR, dim=dimensions)
    if not bm25:
        made.add_field("tokens", DataType.VARCHAR, max_length=TEXT_BYTES)
        return made
    analyzer = {"tokenizer": "whitespace"}
    made.add_field(
        "tokens", DataType.VARCHAR, max_length=TEXT_BYTES, enable_analyzer=True, analyzer_params=analyzer
    )
    made.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    made.add_function(
        Function(
            name="bm25",
            function_type=FunctionType.BM25,
            input_field_names=["tokens"],
            output_field_names=["sparse"],
        )
    )
    return made


def indexes(*, bm25: bool) -> IndexParams:
    """Cosine over `dense`; with `bm25` also BM25 over `tokens`, with the usual k1 = 1.2 and b = 0.75
    (Robertson and Zaragoza, 2009)."""
    made = MilvusClient.prepare_index_params()
    if bm25:
        ratios = {"bm25_k1": 1.2, "bm25_b": 0.75}
        made.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25", params=ratios)
    made.add_index("dense", index_type="IVF_FLAT", metric_type="COSINE", params={"nlist": 128})
    return made
