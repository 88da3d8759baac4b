"""Prefect itself: its server and worker, deployments, crashed runs, the command line."""
