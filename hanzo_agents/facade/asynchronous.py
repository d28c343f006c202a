"""The part of `AsyncHanzo` that is about calls without making them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from hanzo_agents._wire.explain import explain_request
from hanzo_agents.facade.described import Configured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openai.types.chat import ChatCompletionMessageParam

    from hanzo_agents._kernel.plan import Plan
    from hanzo_agents.facade.estimate import CostEstimate
    from hanzo_agents.facade.models import HanzoModels

__all__ = ["AsyncConfigured"]


class AsyncConfigured(Configured):
    """What is known before a call: models, plans and costs."""

    @cached_property
    def models(self) -> HanzoModels:
        """The models there are; with `provider="local"`, those of this machine."""
        from hanzo_agents.facade.models import HanzoModels

        client: Any = self
        return HanzoModels(client)

    def rehearsal(self) -> Any:
        """The same client, sending nothing."""
        raise NotImplementedError

    async def explain(self, **request: Any) -> Plan:
        """What would happen to a request, and why; no call is made and nothing reserved.

            print(await client.explain(messages=[...], model="gpt-4o"))

        Args:
            request: as for `chat.completions.create` (`messages=`), `responses.create` (`input=`), or with
                `api="embeddings"`, `embeddings.create`.

        Raises:
            ConfigError: the request could not even be made.
        """
        if self._facade is not None:
            await self._facade.ready()
        return await explain_request(self.rehearsal(), request)

    async def estimate_cost(
        self,
        *,
        messages: Iterable[ChatCompletionMessageParam],
        model: str | None = None,
        max_tokens: int | None = None,
        **arguments: Any,
    ) -> CostEstimate:
        """The most that a chat request can cost. It is not sent.

        Args:
            messages: as for `chat.completions.create`.
            model: whose prices; the client's model by default.
            max_tokens: of the answer; what the model can say, at most 4096, by default.
            arguments: as for `chat.completions.create`; `tools` count as input.

        Raises:
            ConfigError: there is no model.
            Unaccountable: nobody knows what the model costs, which is not zero.
        """
        from hanzo_agents.facade.estimate import estimate

        return await estimate(
            self.prices, model=model or self.default_model, messages=messages, max_tokens=max_tokens,
            arguments=arguments,
        )  # fmt: skip
