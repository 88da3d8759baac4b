"""Assistants: agents that people make without code, their versions, and whose they are."""
