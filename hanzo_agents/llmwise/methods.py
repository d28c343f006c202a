"""Every method of the clients, once.

A method is a function from arguments to a request (`modes`, `account`, `optimization`). Here it becomes a method
of both clients: on `LLMWise` it returns the answer, on `AsyncLLMWise` something to await for it.
"""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from hanzo_agents.llmwise import account, modes, optimization

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from hanzo_agents._wire.sync.calls import Iteration
    from hanzo_agents.llmwise.client import AsyncLLMWise, LLMWise
    from hanzo_agents.llmwise.request import Request
    from hanzo_agents.llmwise.shapes import Event
    from hanzo_agents.llmwise.stream import AsyncEvents

__all__ = ["Method", "Methods", "StreamMethod"]

P = ParamSpec("P")
T = TypeVar("T")


class Method(Generic[P, T]):
    """A method that sends a request and returns its answer."""

    def __init__(self, make: Callable[P, Request[T]]) -> None:
        self._of_class = _method(make, "send")

    @overload
    def __get__(self, client: None, owner: type) -> Callable[..., Any]: ...
    @overload
    def __get__(self, client: LLMWise, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncLLMWise, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        """The method of one client, or of the class: `LLMWise.models(client)`."""
        return _of(client, self._of_class)


class StreamMethod(Generic[P]):
    """A method that sends a request when its first event is asked for, and returns the events."""

    def __init__(self, make: Callable[P, Request[Event]]) -> None:
        self._of_class = _method(make, "stream")

    @overload
    def __get__(self, client: None, owner: type) -> Callable[..., Any]: ...
    @overload
    def __get__(self, client: LLMWise, owner: type) -> Callable[P, Iteration[Event]]: ...
    @overload
    def __get__(self, client: AsyncLLMWise, owner: type) -> Callable[P, AsyncEvents]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        """The method of one client, or of the class: `LLMWise.chat_stream(client, ...)`."""
        return _of(client, self._of_class)


def _of(client: Any, method: Callable[..., Any]) -> Callable[..., Any]:
    return method if client is None else update_wrapper(partial(method, client), method)


def _method(make: Callable[..., Request[Any]], send: str) -> Callable[..., Any]:
    def method(client: Any, /, *args: Any, **kwargs: Any) -> Any:
        # The arguments may be keys of providers: no frame of an error holds them.
        try:
            request = make(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - raised again, whatever it is
            args, kwargs = (), {}
            raise error.with_traceback(None) from None
        args, kwargs = (), {}
        return getattr(client, send)(request)

    return update_wrapper(method, make)


class Methods:
    """The whole API of LLMWise. What each method takes, and does, is told by the function that it is made of."""

    chat = Method(modes.chat)
    chat_stream = StreamMethod(modes.chat_stream)
    compare = Method(modes.compare)
    compare_stream = StreamMethod(modes.compare_stream)
    blend = Method(modes.blend)
    blend_stream = StreamMethod(modes.blend_stream)
    judge = Method(modes.judge)
    judge_stream = StreamMethod(modes.judge_stream)

    models = Method(account.models)
    conversations = Method(account.conversations)
    get_conversation = Method(account.get_conversation)
    create_conversation = Method(account.create_conversation)
    update_conversation = Method(account.update_conversation)
    delete_conversation = Method(account.delete_conversation)
    history = Method(account.history)
    get_history_detail = Method(account.get_history_detail)
    credits_wallet = Method(account.credits_wallet)
    credits_balance = Method(account.credits_balance)
    credits_transactions = Method(account.credits_transactions)
    credits_packs = Method(account.credits_packs)
    credits_purchase = Method(account.credits_purchase)
    credits_confirm_checkout = Method(account.credits_confirm_checkout)
    credits_update_auto_topup = Method(account.credits_update_auto_topup)
    usage_summary = Method(account.usage_summary)
    usage_recent = Method(account.usage_recent)
    keys_info = Method(account.keys_info)
    generate_api_key = Method(account.generate_api_key)
    revoke_api_key = Method(account.revoke_api_key)
    memory_list = Method(account.memory_list)
    memory_search = Method(account.memory_search)
    memory_delete = Method(account.memory_delete)
    memory_clear = Method(account.memory_clear)

    optimization_policy = Method(optimization.optimization_policy)
    optimization_update_policy = Method(optimization.optimization_update_policy)
    optimization_report = Method(optimization.optimization_report)
    optimization_evaluate = Method(optimization.optimization_evaluate)
    optimization_replay = Method(optimization.optimization_replay)
    optimization_snapshots = Method(optimization.optimization_snapshots)
    optimization_alerts = Method(optimization.optimization_alerts)
    optimization_test_templates = Method(optimization.optimization_test_templates)
    optimization_test_suites = Method(optimization.optimization_test_suites)
    optimization_create_test_suite = Method(optimization.optimization_create_test_suite)
    optimization_update_test_suite = Method(optimization.optimization_update_test_suite)
    optimization_run_test_suite = Method(optimization.optimization_run_test_suite)
    optimization_test_runs = Method(optimization.optimization_test_runs)
    optimization_test_run_csv = Method(optimization.optimization_test_run_csv)
    optimization_regression_schedules = Method(optimization.optimization_regression_schedules)
    optimization_create_regression_schedule = Method(optimization.optimization_create_regression_schedule)
    optimization_update_regression_schedule = Method(optimization.optimization_update_regression_schedule)
    optimization_run_regression_schedule = Method(optimization.optimization_run_regression_schedule)

    settings_keys = Method(account.settings_keys)
    settings_save_keys = Method(account.settings_save_keys)
    settings_delete_key = Method(account.settings_delete_key)
    settings_privacy = Method(account.settings_privacy)
    settings_update_privacy = Method(account.settings_update_privacy)
    settings_copilot_state = Method(account.settings_copilot_state)
    settings_update_copilot = Method(account.settings_update_copilot)
    settings_ask_copilot = Method(account.settings_ask_copilot)
