"""A routing strategy of one's own: subclass, and say which model, and what must stay at home."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.shapes import as_dict, dicts, texts_in
from hanzo_agents.errors import ConfigError
from hanzo_agents.routing.personal import contains_pii

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hanzo_agents._kernel.call import View
    from hanzo_agents._kernel.target import Target
    from hanzo_agents.routing.personal import Finding

__all__ = ["RoutingStrategy", "checked_choice", "checked_local", "spoken"]


class RoutingStrategy:
    """Which model answers, by rules of one's own. Override what you need; the rest stays as it is.

        class ByRole(RoutingStrategy):
            def select_model(self, messages, options):
                return "gpt-4" if options.get("user_role") == "enterprise" else "llama-3-8b"

    Both methods are called on the way of every call, on the event loop: they decide from what they are given, and
    neither wait nor change anything, as `explain` asks them too. What they raise ends the call: nothing is sent.
    """

    def select_model(
        self, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
    ) -> str | Target | None:
        """The model, as a name or a `Target`; None leaves the choice to the balanced strategy.

        Args:
            messages: the conversation; each has a `role` and its text as `content`, whatever it was made of.
            options: what the caller gave along: `create(options={...})`, or `routed(options={...})`.
        """
        return None

    def should_use_local(self, messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> bool:
        """Whether the call must stay on targets that are `local`, whatever `select_model` says."""
        return False

    def contains_pii(self, text: str) -> list[Finding]:
        """Personal data in a text: kinds and places; an empty list, which is false, when there is none."""
        return contains_pii(text)


def spoken(view: View) -> list[dict[str, Any]]:
    """A conversation as strategies are given it: every message has a role, and its text as `content`.

    Instructions that stand beside the messages come first, and what has no messages at all is one of the user's.
    """
    messages = [_spoken(message) for message in view.messages]
    beside = as_dict(getattr(view, "body", None)).get("instructions") or getattr(view, "system_instructions", None)
    if isinstance(beside, str):
        messages.insert(0, {"role": "system", "content": beside})
    if not messages and view.text:
        messages.append({"role": "user", "content": view.text})
    return messages


def _spoken(message: Mapping[str, Any]) -> dict[str, Any]:
    parts = [*texts_in(message)]
    # What tools were asked and said stands elsewhere; personal data does as well.
    parts += [str(message[key]) for key in ("arguments", "output") if message.get(key)]
    parts += [
        str(as_dict(call.get("function")).get("arguments") or "") for call in dicts(message.get("tool_calls"))
    ]
    return {**message, "role": message.get("role") or "tool", "content": "\n".join(parts)}


def checked_local(answer: object) -> bool:
    """What `should_use_local` said, which may be a list of findings.

    Raises:
        ConfigError: it is a coroutine, which would be true whatever it came to.
    """
    return bool(_awaited("should_use_local", answer))


def checked_choice(answer: object) -> str | Target | None:
    """What `select_model` said.

    Raises:
        ConfigError: it is a coroutine.
    """
    return _awaited("select_model", answer)  # type: ignore[no-any-return]


def _awaited(method: str, answer: Any) -> Any:
    close = getattr(answer, "close", None)
    if hasattr(answer, "__await__"):
        if close is not None:
            close()
        raise ConfigError(f"RoutingStrategy.{method}: expected a plain method, got a coroutine; leave out `async`")
    return answer
