"""Hybrid search: retrievers, fusion, ranking, reranking and the caches of answers."""
