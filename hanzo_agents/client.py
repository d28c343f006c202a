"""The OpenAI client, its calls sent through the stack."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, Unpack

import httpx2
from openai import AsyncOpenAI, NotGiven, not_given
from openai._constants import RAW_RESPONSE_HEADER
from typing_extensions import override

from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.compose import checked_timeout
from hanzo_agents._wire.delivery import deliver, deliver_raw, entered_of, parsed_by, raw_mode
from hanzo_agents._wire.engine import Engine
from hanzo_agents._wire.explain import rehearsed
from hanzo_agents._wire.labels import Labels
from hanzo_agents._wire.plain import PlainRequests, scrubbed
from hanzo_agents._wire.redact import Secrets
from hanzo_agents._wire.transport import LoopLocalTransport
from hanzo_agents.errors import ConfigError
from hanzo_agents.facade.asynchronous import AsyncConfigured
from hanzo_agents.facade.ensembles.asynchronous import AsyncEnsembles
from hanzo_agents.facade.keywords import MoreSettings
from hanzo_agents.facade.understanding import Asked, understood
from hanzo_agents.opening import MAX_RESPONSE_BYTES, kept_by_copy, open_client
from hanzo_agents.settings import checked_key, checked_url

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from openai._models import FinalRequestOptions

    from hanzo_agents._kernel.stack import Policy, Stack
    from hanzo_agents._kernel.target import Target
    from hanzo_agents._wire.inherited import Inherited
    from hanzo_agents._wire.resources import HanzoChat, HanzoEmbeddings, HanzoResponses

__all__ = ["AsyncHanzo"]


class AsyncHanzo(AsyncConfigured, AsyncEnsembles, AsyncOpenAI):  # pyright: ignore[reportIncompatibleVariableOverride]
    """`openai.AsyncOpenAI` for the Hanzo router: the same API, with policies, checked replies and safe streams.

    Chat Completions, Responses and Embeddings run through the policies; other requests keep Deadline and Retry.
    One client serves any number of event loops.

    Args:
        base_url: the router's address, with `/v1`; HANZO_ROUTER_URL by default.
        api_key: its key; HANZO_API_KEY by default, and only together with that URL.
        model: used when a call names none; HANZO_MODEL by default.
        policies: None for the default stack; a list adds to it (a policy of the same class replaces its default);
            `[]` turns all off; a `Stack` is exact.
        fallbacks: model names or `Target`s to try when the first target fails.
        headers: sent with every request to this endpoint, and to no other.
        user_id: whom the calls are for, in the router's log and the provider's.
        metadata: plain JSON for the router's log; `tags`, a list of strings, is what it groups spend by.
        timeout: seconds a single read may take, or an `httpx2.Timeout`; `Deadline` bounds the whole call.
        http_client: an `httpx2` (or `httpx`) AsyncClient to use instead of ours. It serves one event loop only,
            and stays yours to close.
        env_file: a .env file to read settings from.
        allow_insecure: permit plain http to other machines.
        proxy, verify, cert: of the HTTP transport; HTTPS_PROXY and NO_PROXY are honoured without them.
        max_response_bytes: where a reply is abandoned; 64 MiB.
        max_retries: a shorthand for `Retry(attempts=max_retries + 1)`.
        more: keywords for everyday use (`enable_cache`, `daily_budget`, `retry_on`, ...): see
            `hanzo_agents.facade.keywords` and docs/client.md. Each stands for a policy.

    Raises:
        ConfigError: a setting is missing or wrong; nothing was sent.
    """

    def __init__(
        self,
        base_url: str | httpx2.URL | None = None,
        api_key: Any = None,
        *,
        model: str | None = None,
        policies: Iterable[Policy] | Stack | None = None,
        fallbacks: Sequence[str | Target] = (),
        headers: Mapping[str, str] | None = None,
        user_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        timeout: float | httpx2.Timeout | NotGiven | None = not_given,
        http_client: Any = None,
        env_file: str | Path | None = None,
        allow_insecure: bool = False,
        proxy: str | None = None,
        verify: ssl.SSLContext | bool = True,
        cert: str | Path | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        max_retries: int | NotGiven = not_given,
        default_headers: Mapping[str, str] | None = None,
        default_query: Mapping[str, object] | None = None,
        _inherit: Inherited | None = None,
        _provider: str | None = None,
        **more: Unpack[MoreSettings],
    ) -> None:
        sdk: dict[str, Any] = {**more}
        made = _inherit is None
        if _inherit is None:
            try:
                checked_timeout("timeout", timeout)
                asked = Asked(
                    base_url=base_url, api_key=api_key, model=model, policies=policies, fallbacks=fallbacks,
                    max_retries=_given(max_retries), env_file=env_file, allow_insecure=allow_insecure,
                    http_client=http_client, proxy=proxy, provider=_provider,
                )  # fmt: skip
                opened = open_client(
                    understood(asked, sdk), labels=Labels(user_id, metadata), headers=(default_headers, headers),
                    max_response_bytes=max_response_bytes,
                    transport={"proxy": proxy, "verify": verify, "cert": cert}, query=default_query, sdk=sdk,
                )  # fmt: skip
            except ConfigError as error:
                # The frames below hold the key, and so does this one.
                api_key = base_url = headers = default_headers = default_query = asked = None
                fallbacks = ()
                sdk.clear()
                more = MoreSettings()
                raise error.with_traceback(None) from None
            _inherit, base_url, api_key = opened.inherited, opened.base_url, opened.api_key
            http_client, default_headers = opened.http_client, opened.headers
        super().__init__(
            api_key=api_key, base_url=base_url, timeout=timeout, max_retries=_given(max_retries, 2),
            default_headers=default_headers, default_query=default_query, http_client=http_client,
        )  # fmt: skip
        self._keep_openai_out(default_headers, sdk, away=_inherit.away)
        self._secrets = Secrets(current=lambda: self.api_key)
        self._serve(_inherit)
        if _inherit.beside is not None and not _inherit.away:
            _inherit.beside.begin(self, copied=not made)

    def _serve(self, inherited: Inherited) -> None:
        """Send the calls from now on through this stack."""
        self._engine = Engine(
            self, inherited.stack, labels=inherited.labels, limit=inherited.limit, single=inherited.single,
            sibling=self.sibling, learned=inherited.learned, provider=inherited.provider,
        )  # fmt: skip
        self._plain = PlainRequests(inherited.stack, single=inherited.single)
        self._inherited = inherited
        self.whole_by_stream = inherited.beside is not None and inherited.beside.whole_by_stream

    def _keep_openai_out(self, headers: Mapping[str, str] | None, sdk: Mapping[str, Any], *, away: bool) -> None:
        """Undo what the SDK took from OPENAI_* variables: they are for another host."""
        self.organization = None if away else sdk.get("organization")
        self.project = None if away else sdk.get("project")
        self.webhook_secret = sdk.get("webhook_secret")
        self.admin_api_key = None
        self._custom_headers = dict(headers or {})
        self._ambient_authorizations = frozenset()

    @cached_property
    @override
    def chat(self) -> HanzoChat:  # pyright: ignore[reportIncompatibleMethodOverride]
        # Imported at the first use: the SDK's resources cost more to import than all of this package.
        from hanzo_agents._wire.resources import HanzoChat

        return HanzoChat(self)

    @cached_property
    @override
    def responses(self) -> HanzoResponses:  # pyright: ignore[reportIncompatibleMethodOverride]
        from hanzo_agents._wire.resources import HanzoResponses

        return HanzoResponses(self)

    @cached_property
    @override
    def embeddings(self) -> HanzoEmbeddings:  # pyright: ignore[reportIncompatibleMethodOverride]
        from hanzo_agents._wire.resources import HanzoEmbeddings

        return HanzoEmbeddings(self)

    @override
    async def request(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, cast_to: Any, options: FinalRequestOptions, *, stream: bool = False, stream_cls: Any = None
    ) -> Any:
        """The funnel of every OpenAI resource (see docs/architecture.md)."""
        entered = entered_of(options, self.default_model)
        if entered is None:
            return await self._plain_request(cast_to, options, stream=stream, stream_cls=stream_cls)
        dialect, view, extras = entered
        cast_to = self._maybe_override_cast_to(cast_to, options)
        reply = await self._engine.run(dialect, view, extras, stream=stream)
        value = deliver(reply)
        if not isinstance(options.post_parser, NotGiven) and not stream:
            value = parsed_by(options.post_parser, value)
        if raw_mode(options) is None:
            return value
        return deliver_raw(reply.raw, value, self, cast_to=cast_to, options=options, stream_cls=stream_cls)

    async def plain_response(self, options: FinalRequestOptions, *, stream: bool) -> Any:
        """The HTTP response of a request that policies do not look into, read unless it is to be streamed."""
        headers = as_dict(options.headers)
        if headers.get(RAW_RESPONSE_HEADER) == "true":
            # The SDK would wrap it, in what belongs to a client with an event loop.
            headers = {**headers, RAW_RESPONSE_HEADER: "raw"}
        asked = options.model_copy(update={"headers": headers or options.headers, "post_parser": not_given})
        return await self._plain_request(httpx2.Response, asked, stream=stream, stream_cls=None)

    async def _plain_request(
        self, cast_to: Any, options: FinalRequestOptions, *, stream: bool, stream_cls: Any
    ) -> Any:
        checked_timeout("timeout", options.timeout)
        options = options.model_copy(update={"max_retries": 0, "follow_redirects": False})
        once = super().request

        async def request() -> Any:
            return await once(cast_to, options, stream=stream, stream_cls=stream_cls)

        return await self._plain.run(
            options.method, options.url, lambda: scrubbed(self, self._secrets, request),
            said=(options.json_data, options.extra_json, options.content),
        )  # fmt: skip

    @override
    def copy(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        *,
        max_retries: int | NotGiven = not_given,
        _extra_kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Self:
        """The same client with other options; the policies come along.

        `max_retries=0` means exactly one request: no retry, fallback or hedge. The runner of the Agents SDK
        asks for that when it retries by itself.
        """
        try:
            kept = kept_by_copy(self._inherited, max_retries, options, shared_http=self._for_targets)
        except ConfigError as error:
            # The options may hold a key, here and in the frames below.
            options.clear()
            raise error.with_traceback(None) from None
        return super().copy(max_retries=max_retries, _extra_kwargs={"_inherit": kept}, **options)

    with_options = copy  # pyright: ignore[reportAssignmentType]

    def rehearsal(self) -> Self:
        """The same client, sending nothing: a call raises `Explained`, with what would happen to it."""
        return self.behind(rehearsed(self.stack))

    def behind(self, stack: Stack) -> Self:
        """The same client, behind other policies."""
        return super().copy(_extra_kwargs={"_inherit": replace(self._inherited, stack=stack)})

    def sibling(self, target: Target) -> AsyncHanzo:
        """A client for another endpoint on the same connections; only time limits are shared."""
        assert target.base_url is not None
        assert target.api_key is not None
        bare = self._inherited.bare()
        return AsyncHanzo(
            checked_url("Target.base_url", target.base_url, allow_insecure=bare.insecure),
            checked_key("Target.api_key", target.api_key),
            timeout=self.timeout, http_client=self._for_targets(), default_headers=target.headers, _inherit=bare,
        )  # fmt: skip

    def _for_targets(self) -> Any:
        """The HTTP client for other endpoints: ours, or the caller's transport without its headers and auth."""
        if self._inherited.owns_http:
            return self._client
        transport = getattr(self._client, "_transport", None)
        shared = transport if isinstance(transport, httpx2.AsyncBaseTransport) else LoopLocalTransport()
        return httpx2.AsyncClient(transport=shared, follow_redirects=False, trust_env=False)

    @override
    async def close(self) -> None:
        """Close this event loop's connections. Safe to repeat; a client given as `http_client` stays open."""
        if self._inherited.owns_http:
            transport: Any = self._client._transport  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
            await transport.aclose()

    @override
    def is_closed(self) -> bool:
        return self._client.is_closed


def _given(value: Any, otherwise: Any = None) -> Any:
    return otherwise if isinstance(value, NotGiven) else value
