"""Statements that read, write or shape rows, one planning function a kind; projection and aggregation."""
