"""Engines' further paths: Responses, Anthropic's Messages, rerank, score, tokens."""
