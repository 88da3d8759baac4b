"""Ingestion: the pipeline that writes all stores, its jobs, re-embedding, reconciliation."""
