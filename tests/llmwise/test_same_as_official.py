"""Every method of the official client, driven beside ours over one recording server: the same requests and results."""

import asyncio
import inspect
import json

import llmwise
import pytest
from llmwise_server import LLMWiseServer

from hanzo_agents.llmwise import AsyncLLMWise, LLMWise

KEY = "mm_sk_canary_0123456789"
ASK = [{"role": "user", "content": "Grüße \u2028 & 'friends'"}]
PICTURE = [{
    "role": "user",
    "content": [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}],
}]  # fmt: skip
TWO = ["gpt-5.2", "claude-sonnet-4.5"]
SHARED = {
    "temperature": 1, "max_tokens": 50.0, "semantic_memory": 1, "semantic_top_k": 3, "semantic_min_score": 1,
    "conversation_id": "conv_7",
}  # fmt: skip
CHAT = {
    **SHARED, "cost_saver": True, "optimization_goal": "cost",
    "routing": {"fallback": ["gpt-5.2"], "strategy": "rate-limit"},
}  # fmt: skip
BLEND = {**SHARED, "strategy": "moa", "synthesizer": "gpt-5.2", "layers": 2, "samples": 3}
JUDGE = {**SHARED, "criteria": ["wit", "truth"]}

# Every method, with calls that between them give every argument and leave every argument out.
CALLS = {
    "chat": [{"model": "auto", "messages": ASK}, {"model": "m", "messages": PICTURE, **CHAT}],
    "chat_stream": [{"model": "auto", "messages": ASK}, {"model": "m", "messages": PICTURE, **CHAT}],
    "compare": [{"models": TWO, "messages": ASK}, {"models": TWO, "messages": ASK, **SHARED}],
    "compare_stream": [{"models": TWO, "messages": ASK}, {"models": TWO, "messages": ASK, **SHARED}],
    "blend": [{"models": TWO, "messages": ASK}, {"models": TWO, "messages": ASK, **BLEND}],
    "blend_stream": [{"models": TWO, "messages": ASK}, {"models": TWO, "messages": ASK, **BLEND}],
    "judge": [
        {"contestants": TWO, "judge": "j", "messages": ASK},
        {"contestants": TWO, "judge": "j", "messages": ASK, **JUDGE},
    ],
    "judge_stream": [
        {"contestants": TWO, "judge": "j", "messages": ASK},
        {"contestants": TWO, "judge": "j", "messages": ASK, **JUDGE},
    ],
    "models": [{}],
    "conversations": [{}, {"limit": 5, "offset": 2}],
    "get_conversation": [("conv_1",)],
    "create_conversation": [{}],
    "update_conversation": [("conv_1",), ("conv_1", {"title": "Smoke & mirrors, ümlaut / slash + plus"})],
    "delete_conversation": [("conv_1",)],
    "history": [{}, {"limit": 10, "offset": 1, "mode": "chat", "search": "a b&c"}],
    "get_history_detail": [("req_1",)],
    "credits_wallet": [{}],
    "credits_balance": [{}],
    "credits_transactions": [{}, {"limit": 3, "offset": 4}],
    "credits_packs": [{}],
    "credits_purchase": [{}, {"amount_usd": 10, "pack_id": "p", "utm_source": "docs"}],
    "credits_confirm_checkout": [{"session_id": "cs_1"}],
    "credits_update_auto_topup": [
        {"enabled": True},
        {"enabled": 0, "threshold_credits": 1, "amount_usd": 20, "monthly_cap_usd": 30},
    ],
    "usage_summary": [{}, {"days": 30}],
    "usage_recent": [{}, {"limit": 5, "offset": 6, "days": 7, "mode": "compare"}],
    "keys_info": [{}],
    "generate_api_key": [{}],
    "revoke_api_key": [{}],
    "memory_list": [{}, {"limit": 3}],
    "memory_search": [{"q": "blue cars"}, {"q": "x", "top_k": 2, "min_score": 1}],
    "memory_delete": [("mem_1",)],
    "memory_clear": [{}],
    "optimization_policy": [{}],
    "optimization_update_policy": [({"max_cost": 1},), ({},)],
    "optimization_report": [
        {},
        {"goal": "cost", "days": 1, "min_calls_per_model": 9, "use_policy": False, "persist_snapshot": True},
    ],
    "optimization_evaluate": [{}],
    "optimization_replay": [{}, {"days": 2, "sample_size": 5}],
    "optimization_snapshots": [{}, {"goal": "latency", "limit": 1}],
    "optimization_alerts": [{}, {"limit": 2}],
    "optimization_test_templates": [{}],
    "optimization_test_suites": [{}, {"limit": 2}],
    "optimization_create_test_suite": [({"name": "s"},)],
    "optimization_update_test_suite": [("suite_1", {"name": "t"})],
    "optimization_run_test_suite": [("suite_1",)],
    "optimization_test_runs": [{}, {"limit": 2}],
    "optimization_test_run_csv": [("run_1",)],
    "optimization_regression_schedules": [{}, {"limit": 2}],
    "optimization_create_regression_schedule": [({"cron": "0 0 * * *"},)],
    "optimization_update_regression_schedule": [("sch_1", {"cron": "1 0 * * *"})],
    "optimization_run_regression_schedule": [("sch_1",)],
    "settings_keys": [{}],
    "settings_save_keys": [({"openai": "sk-of-a-provider"},)],
    "settings_delete_key": [("openai",)],
    "settings_privacy": [{}],
    "settings_update_privacy": [
        {"purge_existing_data": True},
        {"purge_existing_data": False, "data_training_opt_in": False, "zero_retention_mode": True},
    ],
    "settings_copilot_state": [{}],
    "settings_update_copilot": [{}, {"goal": "g", "onboarded": True, "checklist": {"a": True}}],
    "settings_ask_copilot": [{"question": "Why?"}, {"question": "Why?", "path": "/usage", "context": {"a": "b"}}],
}
KEYWORDS_LAST = {"update_conversation"}
CASES = [(name, call) for name, calls in CALLS.items() for call in calls]

# What is meant to differ. Each is told in docs/llmwise.md, and held by a test here or in the modules named.
DIFFERENCES = {
    "User-Agent": "names this package",
    "close": "the asynchronous client has `aclose`, as the official one",
    "purge_existing_data": "has no default: the official one deletes what is stored unless told otherwise",
    "ids": "are quoted, and an empty one is refused: it would name the whole collection (test_llmwise_client.py)",
    "errors of streams": "are LLMWiseError; the official client raises ResponseNotRead (test_llmwise_faults.py)",
    "errors inside streams": "are raised; the official client yields them (test_llmwise_faults.py)",
    "cut streams": "are errors; the official client ends as if all had come (test_llmwise_faults.py)",
    "other events": "no objects are skipped (test_llmwise_faults.py)",
    "arguments": "of another type are a ConfigError that names them (test_llmwise_client.py)",
    "stream": "is taken by the asynchronous modes too",
    "what is no JSON": "is an LLMWiseError with status 502; the official client raises JSONDecodeError",
    "messages of errors": "also come from `detail`, which the official client leaves in the payload",
    "connection failures": "are openai.APIConnectionError, after retries; the official client raises httpx's own",
    "retries": "of what can be repeated; the official client has none",
    "redirects": "are named in the error (test_llmwise_faults.py)",
    "no key": "is a ConfigError; the official client sends requests without one",
    "client=": "is not taken: the connections are our own, so that one client serves many event loops",
    "keys and URLs": "come from one source: an explicit base_url never takes the environment's key",
}


def arguments(name, call):
    if isinstance(call, dict):
        return (), call
    if name in KEYWORDS_LAST and isinstance(call[-1], dict):
        return call[:-1], call[-1]
    return call, {}


def public(kind):
    return {name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")}


@pytest.fixture(scope="module")
def server():
    with LLMWiseServer() as running:
        yield running


@pytest.fixture(scope="module")
def clients(server):
    theirs, ours = llmwise.LLMWise(KEY, server.base_url), LLMWise(KEY, server.base_url)
    yield theirs, ours
    theirs.close()
    ours.close()


def seen(server, number):
    request = server.requests[number]
    headers = {
        name: request.headers.get(name)
        for name in ("authorization", "accept", "content-type", "content-length", "host")
    }
    return request.method, request.path, request.query, request.raw, headers


def result_of(server, client, name, call):
    server.conversations.clear()
    given, named = arguments(name, json.loads(json.dumps(call)) if isinstance(call, dict) else call)
    result = getattr(client, name)(*given, **named)
    return list(result) if name.endswith("_stream") else result


async def awaited(server, client, name, call):
    server.conversations.clear()
    given, named = arguments(name, call)
    made = getattr(client, name)(*given, **named)
    return [event async for event in made] if name.endswith("_stream") else await made


def test_every_method_is_here():
    assert public(llmwise.LLMWise) - public(LLMWise) == set()
    assert public(llmwise.AsyncLLMWise) - public(AsyncLLMWise) == set()
    assert set(CALLS) == public(llmwise.LLMWise) - {"close"}
    assert len(public(llmwise.LLMWise)) == 59
    assert public(LLMWise) - public(llmwise.LLMWise) == {"send", "stream"}
    assert public(AsyncLLMWise) - public(llmwise.AsyncLLMWise) == {"send", "stream"}


@pytest.mark.parametrize("name", CALLS)
def test_every_argument_has_its_name_and_default(name):
    theirs = dict(inspect.signature(getattr(llmwise.LLMWise, name)).parameters)
    ours = dict(inspect.signature(getattr(LLMWise, name)).parameters)
    del theirs["self"]
    more = {n for n, p in ours.items() if p.kind is p.VAR_KEYWORD and n == "options"}
    for argument, parameter in theirs.items():
        if argument == "purge_existing_data":
            assert ours[argument].default is inspect.Parameter.empty
        elif argument not in ours:
            assert more, argument
            assert parameter.default is None, argument
        else:
            assert (ours[argument].default, ours[argument].kind) == (parameter.default, parameter.kind), argument
    assert set(ours) - set(theirs) == more


@pytest.mark.parametrize(("name", "call"), CASES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(CASES)])
def test_a_method_sends_and_returns_the_same(server, clients, name, call):
    start = server.hits
    theirs, ours = (result_of(server, client, name, call) for client in clients)
    assert theirs == ours
    assert seen(server, start) == seen(server, start + 1)
    assert server.hits == start + 2


async def test_the_asynchronous_methods_too(server):
    async with llmwise.AsyncLLMWise(KEY, server.base_url) as theirs, AsyncLLMWise(KEY, server.base_url) as ours:
        for name, call in CASES:
            start = server.hits
            assert await awaited(server, theirs, name, call) == await awaited(server, ours, name, call), name
            assert seen(server, start) == seen(server, start + 1), name


def test_the_base_url_is_read_the_same(server):
    for given in (server.url, f"{server.url}/", f" {server.base_url}/ "):
        start = server.hits
        with llmwise.LLMWise(KEY, given) as theirs, LLMWise(KEY, given) as ours:
            assert theirs.models() == ours.models()
        assert seen(server, start) == seen(server, start + 1)


def test_streaming_goes_by_its_own_method():
    ours = LLMWise(KEY, "http://127.0.0.1:9")
    for mode, arguments_of in (("chat", {"model": "m"}), ("judge", {"contestants": TWO, "judge": "j"})):
        with pytest.raises(ValueError, match=rf"^Use {mode}_stream\(\.\.\.\), not {mode}\(stream=True\)$"):
            getattr(ours, mode)(**arguments_of, messages=ASK, stream=True)


def test_the_options_of_one_mode_are_no_options_of_another():
    with pytest.raises(TypeError, match="unexpected keyword argument 'criteria'"):
        LLMWise(KEY, "http://127.0.0.1:9").chat(model="m", messages=ASK, criteria=["wit"])


def test_the_differences_are_documented():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "llmwise.md").read_text()
    for name in DIFFERENCES:
        assert f"| {name} |" in page or f"| `{name}` |" in page, name


def test_one_loop_after_another(server):
    client = AsyncLLMWise(KEY, server.base_url)
    for _ in range(3):
        assert asyncio.run(client.credits_balance())["path"] == "/credits/balance"
