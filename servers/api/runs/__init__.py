"""Threads and runs: their rows, their execution, and who follows them."""
