"""Milvus: collections of passages, filters, batched searches."""
