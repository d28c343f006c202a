"""How many tokens a text has, roughly: for estimates, where nobody has counted them."""

from __future__ import annotations

__all__ = ["estimate_tokens"]

BYTES_PER_TOKEN = 4
"""OpenAI's own rule of thumb for English text; used only where nobody reports the truth, and marked so."""


def estimate_tokens(text: str) -> int:
    """Tokens in a text, roughly: a quarter of its UTF-8 bytes, at least one for any text."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)
