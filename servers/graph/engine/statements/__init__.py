"""Statements that read, write or shape rows, one planner a kind."""
