"""Which router, which model: the options that commands share, and the provider they make."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hanzo_agents.cli.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from contextlib import AbstractContextManager

    from hanzo_agents.provider import HanzoModelProvider

__all__ = ["Connection", "address", "chosen_model", "connected", "ctrl_c_heard"]

_T = TypeVar("_T")
_SHOWN_MODELS = 8

NO_ROUTER = """\
HANZO_ROUTER_URL: not set, so there is no router to ask
  Name it:        export HANZO_ROUTER_URL=http://localhost:4000/v1 HANZO_API_KEY=sk-...
  Or without one: add --local, and the embedded node answers"""
NO_KEY = """\
HANZO_API_KEY: not set, and the router of HANZO_ROUTER_URL asks for one
  Give it: export HANZO_API_KEY=sk-... (from the router's dashboard)"""


@dataclass(frozen=True)
class Connection:
    """Where a command sends its calls.

    Attributes:
        local: the embedded node instead of a router.
        model: the model to ask; None leaves it to HANZO_MODEL.
        fallbacks: models to ask when that one fails.
        env_file: a .env file with the HANZO_* settings.
    """

    local: bool = False
    model: str | None = None
    fallbacks: tuple[str, ...] = ()
    env_file: str | None = None

    def open(self) -> HanzoModelProvider:
        """The provider. Starts the node when it is the one to answer.

        Raises:
            Problem: no router is named, or it has no key.
            ConfigError: a setting is wrong, or the node cannot start.
        """
        from hanzo_agents.provider import HanzoModelProvider

        if self.local:
            return HanzoModelProvider.local(model=self.model, fallbacks=self.fallbacks)
        if self.env_file is None:
            _require_environment()
        return HanzoModelProvider(model=self.model, fallbacks=self.fallbacks, env_file=self.env_file)

    def run(self, work: Callable[[HanzoModelProvider], Awaitable[_T]]) -> _T:
        """Open a provider, do the work, close the provider.

        Raises:
            Problem: what went wrong, in words.
        """
        provider = self.open()

        async def work_and_close() -> _T:
            with ctrl_c_heard():
                async with provider:
                    return await work(provider)

        with self.explained(provider):
            return asyncio.run(work_and_close())

    def explained(self, provider: HanzoModelProvider) -> AbstractContextManager[None]:
        """A block whose errors of routers, models and policies come out as a `Problem`."""
        from hanzo_agents.cli.explain import explaining

        return explaining(provider, local=self.local)


@contextmanager
def ctrl_c_heard() -> Generator[None]:
    """Let Ctrl-C end the wait of the running event loop, in a block of a coroutine.

    Without it asyncio hears of a signal only between two waits, or when it interrupts one: of what comes right
    before a wait it hears when something else ends that. What the signal does stays as it is.
    """
    loop, at_ctrl_c = asyncio.get_running_loop(), signal.getsignal(signal.SIGINT)
    try:
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # for the descriptor that wakes the loop
    except NotImplementedError:  # on Windows, where the loop always has one
        yield
        return
    signal.signal(signal.SIGINT, at_ctrl_c)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, at_ctrl_c)


def _require_environment() -> None:
    for name, problem in (("HANZO_ROUTER_URL", NO_ROUTER), ("HANZO_API_KEY", NO_KEY)):
        if not os.environ.get(name, "").strip():
            raise Problem(problem)


def address(provider: HanzoModelProvider) -> str:
    """The router's address as people write it."""
    return str(provider.client.base_url).rstrip("/")


async def chosen_model(provider: HanzoModelProvider) -> str:
    """The model to ask: the one that was named, or the only one there is.

    Raises:
        Problem: none was named and there are several; choosing one would spend somebody's money.
    """
    if provider.client.default_model is not None:
        return provider.client.default_model
    models = await provider.list_models()
    if len(models) == 1:
        return models[0]
    if not models:
        raise Problem("model: the router lists no models; add one to its configuration")
    more = f", and {len(models) - _SHOWN_MODELS} more" if len(models) > _SHOWN_MODELS else ""
    raise Problem(
        f"model: none was named, and the router has {len(models)}: {', '.join(models[:_SHOWN_MODELS])}{more}\n"
        f"  Name one: add --model {models[0]}, or export HANZO_MODEL={models[0]}"
    )


def connected(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--local`, `--env-file`, `--model` and `--fallback`, as one argument `connection`."""

    @click.option("--local", is_flag=True, help="Use the embedded node: no router, no key, no network.")
    @click.option("-m", "--model", metavar="NAME", help="The model to ask. Default: HANZO_MODEL.")
    @click.option(
        "--fallback",
        "fallbacks",
        multiple=True,
        metavar="NAME",
        help="Ask this model when the others fail; repeatable.",
    )
    @click.option(
        "--env-file", type=click.Path(exists=True, dir_okay=False), help="Read HANZO_* settings from this file."
    )
    @wraps(command)
    def with_connection(
        *, local: bool, model: str | None, fallbacks: tuple[str, ...], env_file: str | None, **rest: Any
    ) -> Any:
        return command(connection=Connection(local, model, fallbacks, env_file), **rest)

    return with_connection
