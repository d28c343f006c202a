"""The core: a call, a reply, and the stack between them. Knows nothing of HTTP, OpenAI or agents."""
