"""A chatbot that answers similar questions once, and counts what that saved.

Set VECTORCACHE_API_KEY, and for what the cache does not serve HANZO_ROUTER_URL, HANZO_API_KEY and HANZO_MODEL.
"""

from hanzo_agents import Hanzo
from hanzo_agents.vectorcache import NotCacheable, VectorcacheClient

QUESTIONS = ["What is machine learning?", "Explain machine learning", "What time is it?"]


class Chatbot:
    """Asks the cache first."""

    def __init__(self, cache: VectorcacheClient) -> None:
        self.cache = cache

    def chat(self, message: str) -> str:
        """The answer, and who gave it."""
        try:
            answer = self.cache.query(message, model="gpt-4o", context="customer-support")
        except NotCacheable:
            return self._ask_the_model(message)
        return f"{answer.response} [{'cache' if answer.cache_hit else answer.llm_provider}]"

    def _ask_the_model(self, message: str) -> str:
        with Hanzo() as model:
            answer = model.chat.completions.create(messages=[{"role": "user", "content": message}])
        return f"{answer.choices[0].message.content} [not cacheable]"


def main() -> None:
    with VectorcacheClient() as cache:
        bot = Chatbot(cache)
        for question in QUESTIONS:
            print(f"{question} {bot.chat(question)}")
        print(cache.stats)


if __name__ == "__main__":
    main()
