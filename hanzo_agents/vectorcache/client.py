"""The Vectorcache client."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Self

import httpx2

from hanzo_agents._kernel.call import Call
from hanzo_agents._kernel.clock import current_clock, required_seconds
from hanzo_agents._kernel.fields import check_count
from hanzo_agents._kernel.target import Target
from hanzo_agents._kernel.tracking import open_journal, tracked
from hanzo_agents._wire.transport import LoopLocalTransport
from hanzo_agents.batch import BatchPlan
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.default import stack_of
from hanzo_agents.prices.public import PUBLIC
from hanzo_agents.vectorcache.endpoint import endpoint_of
from hanzo_agents.vectorcache.question import DEFAULT_THRESHOLD, QuestionView, question_of, questions_of
from hanzo_agents.vectorcache.response import answer_of
from hanzo_agents.vectorcache.stats import Tally, VectorcacheBatch, VectorcacheStats
from hanzo_agents.vectorcache.wire import Wire

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from pathlib import Path

    from hanzo_agents._kernel.clock import Duration
    from hanzo_agents._kernel.stack import Policy, Stack
    from hanzo_agents.vectorcache.endpoint import Auth, Dialect, Endpoint
    from hanzo_agents.vectorcache.question import Question
    from hanzo_agents.vectorcache.response import VectorcacheResponse

__all__ = ["AsyncVectorcacheClient"]

MAX_RESPONSE_BYTES = 16 * 1024 * 1024
TIMEOUT = 30.0
"""Seconds, as in the service's own examples."""

CONCURRENT = 8
"""Requests of a batch at a time."""


class AsyncVectorcacheClient:
    """A client of Vectorcache, which answers from what was answered to a similar prompt, or asks the model itself.

    Every question passes through policies, like a model call: `Trace`, `Deadline` and `Retry` by default. One
    client serves any number of event loops.

    Args:
        api_key: VECTORCACHE_API_KEY by default, and that one only for the environment's own address.
        base_url: VECTORCACHE_BASE_URL, or https://api.vectorcache.com.
        dialect: "rest", as the service documents its API, or "js", as its JavaScript SDK speaks: `query` in place
            of `prompt`, and no threshold. Replies of either are understood.
        auth: "bearer" or "x-api-key"; what goes with the dialect by default.
        timeout: seconds that connecting, and each read, may take. `Deadline` bounds the whole call.
        policies: None for the default stack, a list that adds to it, `[]` for none, or an exact `Stack`.
        allow_insecure: permit plain http to other machines.
        proxy, verify, cert: of the HTTP transport; HTTPS_PROXY and NO_PROXY are honoured without them.
        max_response_bytes: where a reply is abandoned; 16 MiB.

    Raises:
        ConfigError: a setting is missing or wrong; nothing was sent.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        dialect: Dialect = "rest",
        auth: Auth | None = None,
        timeout: Duration = TIMEOUT,
        policies: Iterable[Policy] | Stack | None = None,
        allow_insecure: bool = False,
        proxy: str | None = None,
        verify: ssl.SSLContext | bool = True,
        cert: str | Path | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        try:
            self._endpoint = endpoint_of(
                api_key=api_key, base_url=base_url, dialect=dialect, auth=auth, allow_insecure=allow_insecure
            )
            allowed = required_seconds("timeout", timeout, zero=False)
            check_count("max_response_bytes", max_response_bytes)
            self.stack = stack_of(policies)
            _refuse_elsewhere(self.stack)
            self._transport = LoopLocalTransport(proxy=proxy, verify=verify, cert=cert)
        except ConfigError as error:
            # The frames below hold the key, and so does this one.
            api_key = base_url = None
            raise error.with_traceback(None) from None
        http = httpx2.AsyncClient(transport=self._transport, follow_redirects=False, trust_env=False)
        self._wire = Wire(self._endpoint, http, allowed, max_response_bytes)
        self._service = self.stack.bind(self._wire.attempt)
        self._tally = Tally()

    async def query(
        self,
        prompt: str,
        model: str,
        similarity_threshold: float = DEFAULT_THRESHOLD,
        context: str | None = None,
        include_debug: bool = False,
    ) -> VectorcacheResponse:
        """The answer to a prompt, from the cache or from the model.

        Args:
            prompt: the question.
            model: who is to answer a miss.
            similarity_threshold: from 0 to 1: how similar a question counts as the same.
            context: keeps questions of different kinds apart.
            include_debug: have the reply say how it was found.

        Raises:
            ConfigError: an argument cannot be sent; nothing was.
            NotCacheable: the service does not serve this prompt: call the model yourself.
            VectorcacheError: the service refused, failed, or could not be reached.
            InvalidResponse: what came back with a success status is no answer.
            Refused: a policy refuses it, or its deadline has passed.
        """
        return await self.ask(question_of(prompt, model, similarity_threshold, context, include_debug))

    async def batch(
        self,
        prompts: Iterable[str],
        model: str,
        similarity_threshold: float = DEFAULT_THRESHOLD,
        context: str | None = None,
        include_debug: bool = False,
        *,
        max_concurrent: int = CONCURRENT,
    ) -> VectorcacheBatch:
        """The answers to many prompts, in their order; an error is kept in the place of its answer.

        Args:
            prompts: the questions. All are checked before the first is sent.
            model: as for `query`, and so are the next three: the same for all.
            similarity_threshold: how similar a question counts as the same.
            context: keeps questions of different kinds apart.
            include_debug: have the replies say how they were found.
            max_concurrent: how many are under way at a time.

        Raises:
            ConfigError: an argument, or a prompt, cannot be sent; nothing was.
        """
        check_count("max_concurrent", max_concurrent)
        questions = questions_of(prompts, model, similarity_threshold, context, include_debug)
        for question in questions[:1]:
            self._endpoint.check(question)
        plan = BatchPlan(
            requests=[{"question": question} for question in questions],
            max_concurrent=max_concurrent,
            progress=False,
            file=None,
        )
        return VectorcacheBatch((await plan.carry_out(self.ask, answer_of)).results)

    async def ask(self, question: Question, *, single: bool = False) -> VectorcacheResponse:
        """The answer to a question that has been checked; a `single` one is sent once, whatever policies say."""
        self._endpoint.check(question)
        clock, view = current_clock(), QuestionView(question)
        call = Call(
            target=Target(question.model),
            view=view,
            journal=open_journal(clock.now(), view.operation),
            single=single,
            home=self._endpoint.base_url,
            prices=PUBLIC,
            clock=clock,
        )
        answer: VectorcacheResponse = (await tracked(self._service, call)).value
        self._tally.add(answer)
        return answer

    @property
    def base_url(self) -> str:
        """The service's address."""
        return self._endpoint.base_url

    @property
    def server(self) -> str:
        """Its host and port."""
        return self._endpoint.server

    @property
    def takes_threshold(self) -> bool:
        """Whether the service can be told how similar a question counts as the same."""
        return self._endpoint.dialect == "rest"

    @property
    def stats(self) -> VectorcacheStats:
        """What this client's questions came to so far."""
        return self._tally.stats

    async def close(self) -> None:
        """Close this event loop's connections. Safe to repeat; a question asked later opens new ones."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        endpoint: Endpoint | None = getattr(self, "_endpoint", None)  # none yet: a setting is wrong
        where = "" if endpoint is None else f"base_url={endpoint.base_url!r}, dialect={endpoint.dialect!r}"
        return f"{type(self).__name__}({where})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds connections and does not pickle; make one in each process")


def _refuse_elsewhere(stack: Stack) -> None:
    for target in stack.targets:
        if target.foreign or target.base_url is not None:
            raise ConfigError(f"policies: {target} is no model of this service; name models in a fallback here")
