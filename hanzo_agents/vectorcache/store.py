"""Vectorcache as the store of a `SemanticCache`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Literal

from hanzo_agents._kernel.journal import Cost, Journal
from hanzo_agents._kernel.tracking import track_only
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.sealed import Facts
from hanzo_agents.policies.semantic.answers import Found
from hanzo_agents.stores.pending import Done
from hanzo_agents.vectorcache.client import AsyncVectorcacheClient
from hanzo_agents.vectorcache.errors import NotCacheable
from hanzo_agents.vectorcache.question import DEFAULT_THRESHOLD, question_of
from hanzo_agents.vectorcache.sync_client import VectorcacheClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.policies.semantic.answers import Asked
    from hanzo_agents.vectorcache.question import Question
    from hanzo_agents.vectorcache.response import VectorcacheResponse

__all__ = ["VectorcacheStore"]


@dataclass(frozen=True, init=False)
class VectorcacheStore:
    """Answers to similar questions, from a service that has each miss answered by a model, and is paid for that.

    There is no way only to look. So somebody has to say what becomes of the answer to a miss:

    - `misses="serve"`: it is the call's answer. Your own model is not asked; fallbacks, budgets and limits below
      the cache have no part in it. One model is paid for each question.
    - `misses="discard"`: your own model is asked. Two models are paid for each miss; the call's journal has both.

    Only a question that is nothing but a text is looked for, without instructions, earlier turns, tools, output
    schema or limit on the answer, as the service would answer without them. Other settings of the call keep its
    questions apart from those of others, but the service does not know them. It is asked once, whatever the
    client's policies say; when it does not serve the question, or is in trouble, the call goes on to the model.

    Args:
        client: whose service it is; a budget for what misses cost there is one of its policies.
        misses: "serve" or "discard".
        model: whom the service is to ask, by the name it knows; the model of the call by default.
        context: sent with each question. By default a digest of everything else that decides the answer (model,
            settings, tenant, endpoint and key), so that no two calls that differ in it share answers. A text of
            your own lets them, as it does those who ask the service directly with that context.

    Attributes:
        patience: seconds that looking may take, as a miss takes as long as a model.

    Raises:
        ConfigError: an argument is wrong.
    """

    patience: ClassVar[float] = 60.0

    client: AsyncVectorcacheClient
    misses: Literal["serve", "discard"]
    model: str | None
    context: str | None

    def __init__(
        self,
        client: AsyncVectorcacheClient | VectorcacheClient,
        *,
        misses: Literal["serve", "discard"],
        model: str | None = None,
        context: str | None = None,
    ) -> None:
        if isinstance(client, VectorcacheClient):
            client = client.asynchronous
        if not isinstance(client, AsyncVectorcacheClient):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"client: expected a VectorcacheClient, got {type(client).__name__}")
        if misses not in ("serve", "discard"):
            raise ConfigError(f'misses: expected "serve" or "discard", got {misses!r}')
        for name, value in (("model", model), ("context", context)):
            if value is not None and (not isinstance(value, str) or not value.strip()):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ConfigError(f"{name}: expected some text or None, got {value!r}")
        given = {"client": client, "misses": misses, "model": model, "context": context}
        for name, checked in given.items():
            object.__setattr__(self, name, checked)

    @property
    def scope(self) -> str:
        """How far it reaches, for people."""
        return f"vectorcache {self.client.server}"

    async def find(self, asked: Asked, /) -> Sequence[Found]:
        """The service's answer, if it may be this call's.

        Raises:
            VectorcacheError, InvalidResponse, Refused: it is away.
        """
        question = self._question(asked)
        if question is None:
            return ()
        call, legs = asked.call, list[Journal]()
        try:
            with track_only(legs):
                answer = await self.client.ask(question, single=True)
        except NotCacheable:
            call.note("VectorcacheStore", "passes by", f"{self.scope} does not serve this question")
            return ()
        except BaseException:
            _adopt(call, legs)
            raise
        if answer.cache_hit:
            # A service that takes no threshold, or strays from it, is held to it here.
            alike = answer.similarity_score is None or answer.similarity_score >= (asked.threshold or -1)
            return (_hit(call, question, answer),) if alike else ()
        if self.misses == "serve":
            return (_fresh(call, question, answer, legs[-1]),)
        _adopt(call, legs)
        why = f"{answer.llm_provider} has answered for {self.scope}, and is paid for it"
        call.note("VectorcacheStore", "discards", why)
        return ()

    def _question(self, asked: Asked) -> Question | None:
        """What the service is asked; None when it would answer something else, or cannot be asked."""
        view, model = asked.call.view, self.model or asked.call.priced_target.name
        if not asked.alone or view.max_output is not None or not model:
            return None
        context = self.context or asked.partition.hex()
        threshold = (asked.threshold if self.client.takes_threshold else None) or DEFAULT_THRESHOLD
        try:
            return question_of(asked.text, model, threshold, context)
        except ConfigError:  # a text that cannot be sent: blanks, half of a surrogate pair
            return None

    def keep(self, asked: Asked, facts: Facts, body: bytes, /) -> Done[bool]:
        """Nothing: the service keeps what it has had answered itself, and takes nothing else."""
        return Done(False)

    def drop(self, found: Found, /, *, clock: Clock) -> None:
        """Nothing: the service has no way to."""

    async def clear(self, *, clock: Clock) -> int:
        """Raises ConfigError: the service has no way to; its dashboard may."""
        raise ConfigError(f"store: {self.scope} cannot be cleared from here")


def _hit(call: Call, question: Question, answer: VectorcacheResponse) -> Found:
    saved = Cost(Decimal(repr(answer.cost_saved)), "reported") if answer.cost_saved else Cost()
    facts = Facts(question.model, "vectorcache", call.clock.wall(), None, saved)
    return Found(answer.similarity_score, facts, text=answer.response)


def _fresh(call: Call, question: Question, answer: VectorcacheResponse, leg: Journal) -> Found:
    """The answer to a miss, with what it took as far as anybody knows."""
    usage = None if leg.answered is None else leg.answered.usage
    facts = Facts(question.model, answer.llm_provider, call.clock.wall(), usage, leg.cost)
    return Found(None, facts, text=answer.response, fresh=True)


def _adopt(call: Call, legs: Sequence[Journal]) -> None:
    """Write down what was sent and gives the call no answer: it may have been paid for."""
    for leg in legs:
        for attempt in leg.attempts:
            attempt.aside = True
            call.begin(attempt)
            call.journal.finish(attempt)
