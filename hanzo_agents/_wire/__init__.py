"""The OpenAI edge: requests out, checked replies in."""
