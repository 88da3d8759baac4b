"""Flows for the house around the platform: leads, conversations, consensus, availability."""
