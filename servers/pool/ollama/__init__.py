"""Ollama's wire, both ways: as an engine that the pool asks, and as an API that the pool speaks."""
