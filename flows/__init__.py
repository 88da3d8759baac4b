"""Prefect flows: one file is one flow and one deployment."""
