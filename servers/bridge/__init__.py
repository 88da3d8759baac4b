"""The bridge (:8000): the only door to Milvus, NebulaGraph, PostgreSQL and Redis."""
