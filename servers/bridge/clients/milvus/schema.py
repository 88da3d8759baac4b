"""What a collection of passages is in Milvus: its fields and their indexes. Pure."""

from typing import Any

from pymilvus import DataType, Function, FunctionType, MilvusClient

TEXT_BYTES = 65_535


def schema(dimensions: int, *, wordy: bool) -> Any:
    """The fields; `wordy` where Milvus indexes words, else it only keeps them."""
    made = MilvusClient.create_schema(enable_dynamic_field=False)
    made.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
    lengths = {"document_id": 1_024, "tenant": 64, "language": 8, "title": 4_000, "source": 8_000}
    for name, length in {**lengths, "heading": 8_000, "text": TEXT_BYTES}.items():
        made.add_field(name, DataType.VARCHAR, max_length=length)
    made.add_field("metadata", DataType.JSON)
    made.add_field("dense", DataType.FLOAT_VECTOR, dim=dimensions)
    if not wordy:
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


def indexes(*, wordy: bool) -> Any:
    """BM25 over `tokens` where it is `wordy`, cosine over `dense`."""
    made = MilvusClient.prepare_index_params()
    if wordy:
        ratios = {"bm25_k1": 1.2, "bm25_b": 0.75}
        made.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25", params=ratios)
    made.add_index("dense", index_type="IVF_FLAT", metric_type="COSINE", params={"nlist": 128})
    return made
