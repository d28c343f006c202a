"""The plan of a client: its home, who else may answer, and in which order."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError
from hanzo_agents.modes.asked import Asked
from hanzo_agents.modes.endpoints import endpoints, nobody_here, nobody_to_ask, stands_in
from hanzo_agents.modes.local import Local
from hanzo_agents.modes.walk import Providers, StaysHere, loopback
from hanzo_agents.node.discovery import NO_KEY, NODE_URL, find_node, node_base_url, node_key
from hanzo_agents.node.embedded import embedded_node
from hanzo_agents.settings import MODEL, checked_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hanzo_agents._kernel.stack import Policy
    from hanzo_agents.modes.provider import Endpoint

__all__ = ["Plan", "plan"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a client is opened with.

    Attributes:
        mode: "local", "hybrid" or "cloud_only".
        base_url, api_key: the client's home, as `AsyncHanzo` takes them. Of a plain client they are what was
            given, None included.
        model: what a call asks for that names no model; None when nothing decides it.
        provider: who answers at home where the address does not tell ("local").
        policies: to be added to the stack, whatever `policies=` is. They hold `fallbacks`, which is therefore not
            to be given to `stack_of` again. Empty for a plain client.
        order: who may answer, first to last.
        local: the models of this machine, for `models.list(provider="local")`; None when none takes part.
        stays_here: nothing may leave this machine: traces are withheld, a copy for another address is refused.
        fallbacks: those that are left for `stack_of`: the given ones of a plain client, else none.
    """

    mode: str
    base_url: Any
    api_key: Any = field(repr=False)
    model: str | None
    provider: str | None = None
    policies: tuple[Policy, ...] = ()
    order: tuple[str, ...] = ("router",)
    local: Local | None = None
    stays_here: bool = False
    fallbacks: Sequence[str | Target] = ()


def plan(
    *,
    mode: str | None = None,
    base_url: Any = None,
    api_key: Any = None,
    model: str | None = None,
    env_file: str | Path | None = None,
    allow_insecure: bool = False,
    node_url: str | None = None,
    node_api_key: str | None = None,
    openai_api_key: str | None = None,
    anthropic_api_key: str | None = None,
    providers: Mapping[str, Target] | Sequence[str] | None = None,
    fallback_order: Sequence[str] | None = None,
    fallback_on_error: bool | None = None,
    prefer_local: bool | None = None,
    fallbacks: Sequence[str | Target] = (),
    http_client: Any = None,
    proxy: str | None = None,
) -> Plan:
    """Decide where the calls of a client go.

    Without a mode and with a `base_url`, and none of the settings below that, the client is a plain one of that
    address: nobody is looked for, and nothing is added. Without either the mode is "hybrid".

    Looks for a node (see `node.discovery`) unless the mode is "cloud_only": that may block for half a second, and
    starts the embedded node when it is the one to answer, which takes about a second.

    Args:
        mode: "local" never leaves this machine; "hybrid" asks it first and then the others; "cloud_only" leaves it
            out.
        base_url: the router, as of `AsyncHanzo`, and so the next four.
        api_key: its key.
        model: for calls that name none.
        env_file: where to read it from.
        allow_insecure: permit plain http to other machines.
        node_url: the node's address; HANZO_NODE_URL, then the known ports of this machine, by default.
        node_api_key: its key; HANZO_NODE_API_KEY by default, and only together with that address.
        openai_api_key: ask OpenAI directly for its own models, and for a substitute of others. OPENAI_API_KEY is
            read only when `fallback_order` or `providers` names "openai".
        anthropic_api_key: the same of Anthropic.
        providers: targets of one's own by name, or the names of providers to ask directly.
        fallback_order: who is asked, first to last, of "local", "router", "openai", "anthropic" and the names in
            `providers`; "openai/gpt-4.1" says what is asked there in place of a model that is not theirs. Who is
            not named is not asked.
        fallback_on_error: whether the next is asked when one fails; True by default.
        prefer_local: whether "local" is first (the default) or last, where `fallback_order` does not say it.
        fallbacks: models or targets to try behind all of these.
        http_client: of the client; "local" refuses it, because it could lead elsewhere.
        proxy: the same.

    Raises:
        ConfigError: settings that contradict each other, or nobody is left to ask.
    """
    asked = Asked(
        mode=mode, base_url=base_url, api_key=api_key, model=model, env_file=env_file,
        allow_insecure=allow_insecure,
        node_url=node_url, node_api_key=node_api_key, openai_api_key=openai_api_key,
        anthropic_api_key=anthropic_api_key, providers=providers, fallback_order=fallback_order,
        fallback_on_error=fallback_on_error, prefer_local=prefer_local, fallbacks=fallbacks,
        http_client=http_client, proxy=proxy,
    )  # fmt: skip
    try:
        if asked.plain:
            return Plan(mode="hybrid", base_url=base_url, api_key=api_key, model=model, fallbacks=fallbacks)
        asked = asked.checked()
        return _local(asked) if asked.mode == "local" else _others(asked)
    except ConfigError as error:
        # The frames below hold keys, and so does this one.
        del asked
        base_url = api_key = node_api_key = openai_api_key = anthropic_api_key = providers = None
        fallbacks = ()
        raise error.with_traceback(None) from None


def _local(asked: Asked) -> Plan:
    """This machine only."""
    found = find_node(asked.node_url, api_key=asked.node_api_key)
    url = _node_url(asked)
    if found is None and url is None:
        found = embedded_node()
    if found is None and url is None:
        raise ConfigError(nobody_here())
    base_url = found.base_url if found is not None else node_base_url(url or "")
    if not loopback(base_url):
        name = "node_url" if asked.node_url else NODE_URL
        raise ConfigError(
            f'{name}: mode "local" never leaves this machine, and {base_url} is another; use "hybrid"'
        )
    key = node_key(base_url, asked.node_api_key)
    local = Local(url=base_url, api_key=key, found=found, home=True, prefers=_preferred(asked))
    model = asked.model or _if_there(local, os.environ.get(MODEL, "").strip()) or local.model
    also = [Target.of(one, "fallbacks") for one in asked.fallbacks]
    wanted = [
        ("fallback_order", _preferred(asked)),
        ("model", model),
        *(("fallbacks", one.name) for one in also if one.base_url is None),
    ]
    for setting, named in wanted:
        if named and not local.may_have(named):
            raise ConfigError(f"{setting}: {local.missing(named)}")
    if far := next((one for one in also if one.base_url is not None and not loopback(one.base_url)), None):
        raise ConfigError(f'fallbacks: mode "local" never leaves this machine, and {far} is elsewhere')
    walk = Providers(
        to=[one for one in also if one.base_url is not None] or [Target()], mode="local", order=(local,),
        local=local, also=tuple(also), falls_back=asked.fallback_on_error is not False,
    )  # fmt: skip
    return Plan(
        mode="local", base_url=base_url, api_key=key, model=model, provider=_named(local),
        policies=(walk, StaysHere()), order=("local",), local=local, stays_here=True,
    )  # fmt: skip


def _preferred(asked: Asked) -> str | None:
    """The model in `fallback_order=["local/..."]`."""
    return asked.order_models().get("local")


def _named(local: Local) -> str | None:
    """Who answers at the node, for replies and accounts."""
    return None if local.passes_on else local.name


def _if_there(local: Local, model: str) -> str | None:
    """HANZO_MODEL is meant for a router: here it counts when there is such a model."""
    return model if model and model in local.names else None


def _others(asked: Asked) -> Plan:
    """The router and providers, and in "hybrid" this machine before them."""
    router = asked.router()
    cloud = endpoints(asked, routed=router is not None)
    local = _found_local(asked, needed=not cloud) if asked.mode == "hybrid" and asked.wants("local") else None
    order = _ordered(asked, cloud, local)
    if not order:
        raise ConfigError(nobody_to_ask(asked.mode or "hybrid"))
    first = order[0]
    if router is not None and any(one.base_url is None for one in cloud):
        home: tuple[Any, Any] = router.base_url, asked.api_key if callable(asked.api_key) else router.key
    else:
        home = _address(next(iter(cloud), first))
    also = [Target.of(one, "fallbacks") for one in asked.fallbacks]
    away = [one.target() for one in cloud if one.base_url is not None]
    if local is not None and local.base_url is not None:
        away.append(Target(None, local.base_url, local.api_key, provider="local"))
    walk = Providers(
        to=[*away, *(one for one in also if one.base_url is not None)] or [Target()], mode=asked.mode or "hybrid",
        order=tuple(order), local=local, also=tuple(also), falls_back=asked.fallback_on_error is not False,
    )  # fmt: skip
    model = asked.model or (router.model if router else os.environ.get(MODEL, "").strip() or None)
    return Plan(
        mode=asked.mode or "hybrid", base_url=home[0], api_key=home[1],
        model=model or next((one.model for one in order if one.model is not None), None),
        provider=_named(local) if local is not None and home[0] == local.base_url else None,
        policies=(walk,), order=tuple(one.name for one in order), local=local,
    )  # fmt: skip


def _found_local(asked: Asked, *, needed: bool) -> Local | None:
    """The node of this machine or of `node_url`; the embedded one if it was asked for or nobody else is there."""
    found = find_node(asked.node_url, api_key=asked.node_api_key)
    url = _node_url(asked)
    if found is None and url is None and (needed or asked.names("local") or asked.prefer_local):
        found = embedded_node()
        if needed and found is not None:
            stands_in.said(found)
    if found is None and url is None and needed:
        return None
    base_url = found.base_url if found is not None else node_base_url(url) if url is not None else None
    if base_url is not None:
        checked_url("node_url", base_url, allow_insecure=asked.allow_insecure)
    key = node_key(base_url, asked.node_api_key) if base_url is not None else NO_KEY
    prefers = _preferred(asked)
    local = Local(url=base_url, api_key=key, found=found, home=False, named=url is not None, prefers=prefers)
    if prefers is not None and found is not None and not local.may_have(prefers):
        raise ConfigError(f"fallback_order: {local.missing(prefers)}")
    return local


def _node_url(asked: Asked) -> str | None:
    return asked.node_url or os.environ.get(NODE_URL, "").strip() or None


def _ordered(asked: Asked, cloud: list[Endpoint], local: Local | None) -> list[Endpoint | Local]:
    if asked.fallback_order is None:
        here: list[Endpoint | Local] = [] if local is None else [local]
        return [*cloud, *here] if asked.prefer_local is False else [*here, *cloud]
    by_name: dict[str, Endpoint | Local] = {one.name: one for one in cloud}
    if local is not None:
        by_name["local"] = local
    return [by_name[name] for name in asked.order_names() if name in by_name]


def _address(one: Endpoint | Local) -> tuple[str, str]:
    if one.base_url is None or one.api_key is None:
        raise ConfigError(nobody_to_ask("hybrid"))
    return one.base_url, one.api_key
