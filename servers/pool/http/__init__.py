"""The pool's HTTP surface, raw ASGI: OpenAI's wire, routing, consensus, status."""
