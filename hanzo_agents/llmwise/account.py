"""What belongs to an account, from conversations to settings: functions from arguments to a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents.llmwise.request import Request, delete, get, patch, path_part, post, put, read, sent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanzo_agents.llmwise.shapes import JsonDict


def models() -> Request[list[JsonDict]]:
    """Every model that can be asked."""
    return get("/models", kind="list")


def conversations(*, limit: int = 20, offset: int = 0) -> Request[JsonDict]:
    """The conversations that are kept, the latest first."""
    return get("/conversations", limit=limit, offset=offset)


def get_conversation(conversation_id: str) -> Request[JsonDict]:
    """One conversation with its messages."""
    return get(f"/conversations/{path_part('conversation_id', conversation_id)}")


def create_conversation() -> Request[JsonDict]:
    """Begin a conversation; its `id` is the `conversation_id` of the modes."""
    return post("/conversations")


def update_conversation(conversation_id: str, *, title: str | None = None) -> Request[JsonDict]:
    """Give a conversation another title."""
    path = f"/conversations/{path_part('conversation_id', conversation_id)}"
    return patch(path, title=title)


def delete_conversation(conversation_id: str) -> Request[JsonDict]:
    """Delete a conversation."""
    return delete(f"/conversations/{path_part('conversation_id', conversation_id)}")


def history(
    *, limit: int = 20, offset: int = 0, mode: str | None = None, search: str | None = None
) -> Request[JsonDict]:
    """Requests of the past, of one mode or with a text in them."""
    return get("/history", limit=limit, offset=offset, mode=mode, search=search)


def get_history_detail(request_id: str) -> Request[JsonDict]:
    """One request of the past."""
    return get(f"/history/{path_part('request_id', request_id)}")


def credits_wallet() -> Request[JsonDict]:
    """The account: credits, and how they are topped up."""
    return get("/credits/wallet")


def credits_balance() -> Request[JsonDict]:
    """The credits that are left."""
    return get("/credits/balance", kind="object")


def credits_transactions(*, limit: int = 50, offset: int = 0) -> Request[list[JsonDict]]:
    """What was bought and charged."""
    return get("/credits/transactions", limit=limit, offset=offset)


def credits_packs() -> Request[list[JsonDict]]:
    """What credits can be bought."""
    return get("/credits/packs")


def credits_purchase(
    amount_usd: float | None = None, pack_id: str | None = None, **tracking: str
) -> Request[JsonDict]:
    """Begin to buy credits: a pack, or for an amount.

    Args:
        amount_usd: US dollars.
        pack_id: one of `credits_packs()`.
        tracking: fields that are sent beside them.
    """
    return post("/credits/purchase", {**sent(amount_usd=amount_usd, pack_id=pack_id), **tracking})


def credits_confirm_checkout(*, session_id: str) -> Request[JsonDict]:
    """Say that a purchase was paid."""
    return post("/credits/confirm-checkout", {"session_id": read("session_id", session_id)})


def credits_update_auto_topup(
    *, enabled: bool, threshold_credits: int = 300, amount_usd: int = 10, monthly_cap_usd: int = 200
) -> Request[JsonDict]:
    """Have credits bought when few are left.

    Args:
        enabled: whether at all.
        threshold_credits: how few.
        amount_usd: for how much, each time.
        monthly_cap_usd: the most in a month.
    """
    body = {
        "enabled": read("enabled", enabled),
        "threshold_credits": read("threshold_credits", threshold_credits),
        "amount_usd": read("amount_usd", amount_usd, int),
        "monthly_cap_usd": read("monthly_cap_usd", monthly_cap_usd),
    }
    return put("/credits/auto-topup", body)


def usage_summary(*, days: int = 7) -> Request[JsonDict]:
    """Requests and spend of the last days."""
    return get("/usage/summary", days=days)


def usage_recent(
    *, limit: int = 20, offset: int = 0, days: int = 30, mode: str | None = None
) -> Request[list[JsonDict]]:
    """The latest requests, with what they took."""
    return get("/usage/recent", limit=limit, offset=offset, days=days, mode=mode)


def keys_info() -> Request[JsonDict]:
    """What is known of the API key."""
    return get("/keys/info")


def generate_api_key() -> Request[JsonDict]:
    """Make a key. It takes the token of a dashboard session; an `mm_sk_` key may not make another."""
    return post("/keys/generate")


def revoke_api_key() -> Request[JsonDict]:
    """End the key that is used."""
    return delete("/keys/revoke")


def memory_list(*, limit: int = 20) -> Request[JsonDict]:
    """What the semantic memory holds."""
    return get("/memory", limit=limit)


def memory_search(*, q: str, top_k: int = 4, min_score: float | None = None) -> Request[JsonDict]:
    """What of the memory is closest to a text."""
    return get("/memory/search", q=read("q", q), top_k=top_k, min_score=min_score)


def memory_delete(memory_id: str) -> Request[JsonDict]:
    """Forget one thing."""
    return delete(f"/memory/{path_part('memory_id', memory_id)}")


def memory_clear() -> Request[JsonDict]:
    """Forget everything."""
    return delete("/memory")


def settings_keys() -> Request[JsonDict]:
    """Which providers have a key of the account's own."""
    return get("/settings/keys")


def settings_save_keys(keys: Mapping[str, str]) -> Request[JsonDict]:
    """Store keys of providers, by provider."""
    kept = read("keys", keys, dict)
    return put("/settings/keys", {"keys": kept}, secrets=tuple(map(str, kept.values())))


def settings_delete_key(provider: str) -> Request[JsonDict]:
    """Remove the key of a provider."""
    return delete(f"/settings/keys/{path_part('provider', provider)}")


def settings_privacy() -> Request[JsonDict]:
    """What is kept, and what it is used for."""
    return get("/settings/privacy")


def settings_update_privacy(
    *,
    purge_existing_data: bool,
    data_training_opt_in: bool | None = None,
    zero_retention_mode: bool | None = None,
) -> Request[JsonDict]:
    """Change what is kept.

    Args:
        purge_existing_data: whether what is stored already is deleted, for good. The official client does it
            unless told otherwise; here it has to be said.
        data_training_opt_in: whether models may be trained on it.
        zero_retention_mode: whether nothing is stored from now on.
    """
    purge = {"purge_existing_data": read("purge_existing_data", purge_existing_data)}
    more = sent(data_training_opt_in=data_training_opt_in, zero_retention_mode=zero_retention_mode)
    return put("/settings/privacy", {**purge, **more})


def settings_copilot_state() -> Request[JsonDict]:
    """How far the copilot of the dashboard has got."""
    return get("/settings/copilot")


def settings_update_copilot(
    *, goal: str | None = None, onboarded: bool | None = None, checklist: Mapping[str, bool] | None = None
) -> Request[JsonDict]:
    """Tell the copilot."""
    return put("/settings/copilot", sent(goal=goal, onboarded=onboarded, checklist=checklist))


def settings_ask_copilot(
    *, question: str, path: str | None = None, context: Mapping[str, str] | None = None
) -> Request[JsonDict]:
    """Ask the copilot.

    Args:
        question: in words.
        path: the page of the dashboard it is about.
        context: what else it should know.
    """
    body = {"question": read("question", question), **sent(path=path, context=context)}
    return post("/settings/copilot/ask", body, paid=True)
