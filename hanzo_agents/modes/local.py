"""The models of this machine: those of a node that answers, and those that the embedded node can serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents._kernel.target import Target
from hanzo_agents._wire.sync.calls import call_off_loop
from hanzo_agents.modes.provider import in_the_cloud
from hanzo_agents.node.discovery import NO_KEY, find_node, forget_nodes
from hanzo_agents.node.embedded import installed_models, installed_names, serve_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.node.discovery import FoundNode, LocalModel

__all__ = ["Local"]

STALE = 30.0
"""Seconds after which a model that is not on the list may have come: the node is asked again."""


CLOUDS = frozenset({"anthropic", "azure", "bedrock", "cohere", "google", "openai", "vertex_ai", "xai"})
"""Who owns models, by `owned_by` of a list, that only ever run in a cloud: a node that lists one passes it on."""


class Local:
    """The provider "local".

    Args:
        url: the node's address; None for whichever is found.
        api_key: its key.
        found: the node, if one answered so far.
        home: whether the client's own address is that node's.
        named: whether the user named the node, so that it is believed whatever it calls its models.
        prefers: the model that is asked for here when a call leaves it open.
    """

    name = "local"

    def __init__(
        self,
        *,
        url: str | None,
        api_key: str,
        found: FoundNode | None,
        home: bool,
        named: bool = False,
        prefers: str | None = None,
        find: Callable[..., FoundNode | None] = find_node,
    ) -> None:
        self.version = 0
        self._url = url
        self.api_key = api_key
        self._found = found
        self._home = home
        self._named = named or home
        self._prefers = prefers
        self._find = find
        self._asked: float | None = None
        self._served: dict[str, Target] = {}

    @property
    def base_url(self) -> str | None:
        """The node's address, None while there is none."""
        return self._found.base_url if self._found is not None else self._url

    @property
    def model(self) -> str | None:
        """What is asked for here when a call leaves it open: the one that is preferred, else the node's first."""
        if self._prefers is not None:
            return self._prefers
        return next((one.id for one in self._at_hand() if self._named or not in_the_cloud(one.id)), None)

    @property
    def passes_on(self) -> bool:
        """Whether the node lists models that run in a cloud: then nobody knows where an answer comes from."""
        return any(map(_passed_on, self._at_hand()))

    @property
    def names(self) -> list[str]:
        """The models there are, as far as is known."""
        return [one.id for one in self._listed()]

    def models(self) -> list[LocalModel]:
        """The models there are now. Asks the node; blocks for half a second at most.

        Those in the cache folder are among them when the embedded node can serve them.
        """
        forget_nodes()
        self._look()
        return self._listed()

    def may_have(self, model: str) -> bool:
        """Whether a model is here, or the node does not tell and it is none of the cloud's."""
        return self.serving(model, "chat") is not None or model.removeprefix("local/") in installed_names()

    def missing(self, model: str) -> str:
        """Why a model cannot be asked on this machine, and what can."""
        why = "runs in the cloud only" if in_the_cloud(model) else "is not on this machine"
        there = ", ".join(self.names) or "no model yet"
        return f"{model} {why}; there is {there}; models.download(name) fetches one"

    def serving(self, model: str, operation: str) -> Target | None:
        """Where a model of this machine is asked, None when it has none of that name."""
        name = model.removeprefix("local/")
        if (target := self._served.get(name)) is not None:
            return target
        if self._found is None:
            # A node that does not answer yet is asked for what may be there.
            open_to_it = self._url is not None and (name != model or not in_the_cloud(name))
            return self._at_node(name) if open_to_it and name not in installed_names() else None
        if self._found.models is None:
            # It wants a key that we do not have: only who asks for nobody else is told so, by its own refusal.
            return self._at_node(name) if self._home else None
        if not self._named and name == model and in_the_cloud(name):
            # Anybody may listen on a port and call a model "gpt-4".
            return None
        return self._at_node(name) if any(one.id == name for one in self._found.models) else None

    def instead(self, operation: str) -> Target | None:
        """The node's first model; none in place of another's embeddings, which only that one can compare."""
        return None if self.model is None or operation == "embeddings" else self.serving(self.model, operation)

    async def ready(self, model: str, clock: Clock) -> None:
        """Look again for a model that is not known, and start the embedded node for one that was downloaded."""
        name = model.removeprefix("local/")
        if self.serving(model, "") is not None and self._found is not None:
            return
        if name in installed_names():
            base_url = await call_off_loop(serve_installed, name)
            self._served[name] = Target(name, base_url, NO_KEY, label=f"local/{name}", provider="local")
            self.version += 1
            return
        now = clock.now()
        if self._asked is None or now - self._asked >= STALE:
            self._asked = now
            await call_off_loop(self._look)

    def _look(self) -> None:
        found = self._find(self._url, api_key=self.api_key)
        # The home of a client does not move: another node that appeared is another client's.
        moved = found is not None and self._home and self._found is not None and found.base_url != self.base_url
        if found is not None and not moved and found != self._found:
            self._found = found
            self.version += 1

    def _at_node(self, name: str) -> Target:
        provider = None if any(one.id == name and _passed_on(one) for one in self._at_hand()) else self.name
        if self._home:
            return Target(name, label=name, provider=provider)
        assert self.base_url is not None
        return Target(name, self.base_url, self.api_key, label=f"local/{name}", provider=provider)

    def _at_hand(self) -> Sequence[LocalModel]:
        """What the node lists."""
        return (self._found.models if self._found is not None else None) or ()

    def _listed(self) -> list[LocalModel]:
        listed = list(self._at_hand())
        known = {one.id for one in listed}
        return [*listed, *(model for model in installed_models() if model.id not in known)]

    def __repr__(self) -> str:
        return f"Local({self.base_url or 'nobody yet'})"


def _passed_on(model: LocalModel) -> bool:
    return model.owned_by.lower() in CLOUDS
