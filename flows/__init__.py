"""Scheduled work: one file is one flow is one deployment (`prefect.yaml`); the rest starts them."""

import os

# Prefect reports its first import in a terminal to its makers unless told not to before it is imported.
os.environ.setdefault("DO_NOT_TRACK", "1")
