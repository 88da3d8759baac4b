"""LangGraph lives here and nowhere else: the agents, their runtime and their registry."""
