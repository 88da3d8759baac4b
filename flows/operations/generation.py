"""What flows ask of the pool: who can generate, and one whole answer."""

from typing import Any

from tools.clients.pool import Pool

NOT_GENERATING = frozenset({"extractive", "auto", "consensus"})


async def generators(pool: Pool) -> list[str]:
    """Models that are available and write text of their own."""
    return [
        model["id"]
        for model in await pool.models()
        if model.get("available") and model["id"] not in NOT_GENERATING
    ]


async def say_once(pool: Pool, model: str, prompt: str, **options: Any) -> str:
    """The whole answer to one prompt."""
    text = []
    async for chunk in pool.chat([{"role": "user", "content": prompt}], model=model, **options):
        text += [choice.get("delta", {}).get("content") or "" for choice in chunk.get("choices", [])]
    return "".join(text)
