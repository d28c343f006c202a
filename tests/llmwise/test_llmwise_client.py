"""Where LLMWise is, whose key is sent there, and what a client takes."""

import pickle
import subprocess
import sys

import pytest
from llmwise_server import LLMWiseServer

from hanzo_agents import ConfigError, Fallback, Stack, Target
from hanzo_agents.llmwise import AsyncLLMWise, LLMWise, LLMWiseError, LLMWiseModel, client
from hanzo_agents.testing.scripted import ScriptedRouter

KEY = "mm_sk_canary_0123456789"
OTHER = "mm_sk_other_9876543210"
HOME = "https://llmwise.ai/api/v1"
ASK = [{"role": "user", "content": "Hello"}]


def key_sent(server, *arguments, **keywords):
    with LLMWise(*arguments, **keywords) as made:
        made.models()
    return server.requests[-1].headers["authorization"]


class TestAddress:
    def test_the_default(self):
        assert LLMWise(KEY).base_url == HOME

    @pytest.mark.parametrize("url", ["https://llmwise.ai", "https://llmwise.ai/", f"{HOME}/", f" {HOME} "])
    def test_the_path_may_be_left_out(self, url):
        assert LLMWise(KEY, url).base_url == HOME

    def test_the_environment(self, server, monkeypatch):
        monkeypatch.setenv("LLMWISE_API_KEY", f" {KEY} ")
        monkeypatch.setenv("LLMWISE_BASE_URL", server.url)
        assert key_sent(server) == f"Bearer {KEY}"

    def test_an_argument_comes_first(self, server, monkeypatch):
        monkeypatch.setenv("LLMWISE_API_KEY", KEY)
        monkeypatch.setenv("LLMWISE_BASE_URL", "https://elsewhere.test")
        assert key_sent(server, OTHER, server.base_url) == f"Bearer {OTHER}"

    def test_a_given_key_goes_to_the_address_of_the_environment(self, server, monkeypatch):
        monkeypatch.setenv("LLMWISE_BASE_URL", server.base_url)
        assert key_sent(server, OTHER) == f"Bearer {OTHER}"

    def test_the_key_of_the_environment_goes_nowhere_else(self, server, monkeypatch):
        monkeypatch.setenv("LLMWISE_API_KEY", KEY)
        with pytest.raises(ConfigError, match=r"^api_key: base_url is given and api_key is not"):
            LLMWise(base_url=server.base_url)
        monkeypatch.setenv("LLMWISE_BASE_URL", "https://elsewhere.test")
        with pytest.raises(ConfigError, match=r"^api_key: base_url is given and api_key is not"):
            LLMWise(base_url=HOME)
        monkeypatch.setenv("LLMWISE_BASE_URL", server.base_url)
        assert key_sent(server, base_url=server.url) == f"Bearer {KEY}"
        monkeypatch.delenv("LLMWISE_BASE_URL")
        assert LLMWise(base_url=HOME).base_url == HOME

    @pytest.mark.parametrize("key", [None, "", "  "])
    def test_no_key(self, key):
        with pytest.raises(
            ConfigError, match=r"^api_key: expected the key of https://llmwise.ai/.* set LLMWISE_API_KEY"
        ):
            LLMWise(key)

    def test_plain_http_to_other_machines(self):
        with pytest.raises(ConfigError, match=r"plain http to llmwise\.test would send the key in the clear"):
            LLMWise(KEY, "http://llmwise.test")
        assert LLMWise(KEY, "http://llmwise.test", allow_insecure=True).base_url == "http://llmwise.test/api/v1"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"api_key": 5}, "api_key: expected a string, got int"),
        ({"api_key": "two words"}, "api_key: expected printable ASCII without spaces"),
        ({"base_url": 5}, "base_url: expected a string, got int"),
        ({"base_url": "https://x.test?y=1"}, "base_url: expected a URL without a query"),
        ({"timeout": 0}, "timeout: expected a number of seconds > 0"),
        ({"timeout": "1"}, "timeout: expected a number of seconds > 0"),
        ({"policies": "retry"}, "policies: expected a list of policies"),
        ({"credit_usd": 0}, "credit_usd: expected US dollars > 0, got 0"),
        ({"credit_usd": "cheap"}, "credit_usd: expected US dollars, got 'cheap'"),
        ({"allow_insecure": "yes"}, "allow_insecure: expected True or False"),
        ({"max_response_bytes": 0}, "max_response_bytes: expected an integer"),
        ({"proxy": "socks5://x"}, "proxy: expected http"),
        ({"verify": "no"}, "verify: expected True, False or an ssl.SSLContext"),
    ],
)
@pytest.mark.parametrize("kind", [LLMWise, AsyncLLMWise])
def test_a_wrong_setting_is_named(kind, setting, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        kind(**{"api_key": KEY, **setting})


def test_a_model_object_is_no_target_of_a_client():
    there = Target(model=LLMWiseModel(client=AsyncLLMWise(KEY)))
    with pytest.raises(ConfigError, match="which only agents can ask"):
        LLMWise(KEY, policies=[Fallback(to=[there])])


@pytest.mark.parametrize("bad", ["", " ", ".", "..", None, 5])
def test_an_empty_id_is_refused(server, bad):
    """`memory_delete("")` would be `DELETE /memory/`: everything."""
    made = LLMWise(KEY, server.base_url)
    for method in (
        made.memory_delete,
        made.delete_conversation,
        made.settings_delete_key,
        made.get_history_detail,
    ):
        with pytest.raises(ConfigError, match="expected an id"):
            method(bad)
    assert server.hits == 0


def test_an_id_names_nothing_else(server):
    LLMWise(KEY, server.base_url).memory_delete("../credits/x?y#z é")
    assert server.requests[0].path == "/api/v1/memory/..%2Fcredits%2Fx%3Fy%23z%20%C3%A9"


def test_what_is_no_json_is_not_sent(server):
    made = LLMWise(KEY, server.base_url)
    for messages in ([{"role": "user", "content": object()}], [{"role": "user", "content": float("nan")}]):
        with pytest.raises(ConfigError, match="expected plain JSON"):
            made.chat(model="auto", messages=messages)
    with pytest.raises(ConfigError, match="expected plain JSON"):
        made.optimization_update_policy({"x": {1, 2}})
    assert server.hits == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": "hot"}, "temperature: expected a number, got str"),
        ({"temperature": float("nan")}, "temperature: expected a number, got nan"),
        ({"max_tokens": []}, "max_tokens: expected a whole number, got list"),
        ({"max_tokens": 0.5}, "max_tokens: expected a whole number, got 0.5"),
        ({"routing": "gpt-5.2"}, "routing: expected a mapping, got str"),
        (
            {"routing": {"fallback": "gpt-5.2"}},
            "routing.fallback: expected a list of models' names, got 'gpt-5.2'",
        ),
        ({"cost_saver": "false"}, "cost_saver: expected True or False, got str"),
        ({"model": None}, "model: expected a model's name, got None"),
        ({"model": " "}, "model: expected a model's name, got ' '"),
        ({"messages": "Hello"}, "messages: expected a list of messages, each a mapping, got str"),
        ({"messages": [5]}, "messages: expected a list of messages, each a mapping, got list"),
        ({"messages": ASK[0]}, "messages: expected a list of messages, each a mapping, got dict"),
    ],
)
def test_a_wrong_option_is_named(server, arguments, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        LLMWise(KEY, server.base_url).chat(**{"model": "m", "messages": ASK, **arguments})
    assert server.hits == 0


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("credits_update_auto_topup", {"enabled": "false"}, "enabled: expected True or False, got str"),
        ("credits_update_auto_topup", {"enabled": None}, "enabled: expected True or False, got None"),
        ("credits_update_auto_topup", {"enabled": True, "amount_usd": "ten"}, "amount_usd: expected a whole number"),
        ("credits_purchase", {"amount_usd": float("inf")}, "amount_usd: expected a number, got inf"),
        ("settings_update_privacy", {"purge_existing_data": "no"}, "purge_existing_data: expected True or False"),
        ("settings_update_privacy", {"purge_existing_data": None}, "purge_existing_data: expected True or False"),
        ("settings_save_keys", {"keys": None}, "keys: expected a mapping, got None"),
        ("settings_update_copilot", {"checklist": "all"}, "checklist: expected a mapping, got str"),
        ("optimization_update_policy", {"payload": "cheap"}, "payload: expected a mapping, got str"),
        ("conversations", {"limit": "many"}, "limit: expected a whole number, got str"),
        ("get_conversation", {"conversation_id": "\ud800"}, "conversation_id: expected an id"),
        (
            "judge", {"contestants": ["a"], "judge": "b", "messages": ASK, "criteria": "wit"},
            "criteria: expected a list, got str",
        ),
    ],
)  # fmt: skip
def test_what_would_be_sent_as_something_else_is_refused(server, method, arguments, message):
    """As the official client reads them, "false" turns purchases on and "no" deletes what is stored."""
    with pytest.raises(ConfigError, match=f"^{message}"):
        getattr(LLMWise(KEY, server.base_url), method)(**arguments)
    assert server.hits == 0


def test_messages_come_in_any_iterable(server):
    LLMWise(KEY, server.base_url).chat(model="m", messages=(message for message in ASK))
    assert server.requests[0].json["messages"] == ASK


def test_a_query_that_no_url_can_carry(server):
    with pytest.raises(ConfigError, match=r"^request: it cannot be sent"):
        LLMWise(KEY, server.base_url).history(search="\ud800")
    assert server.hits == 0


def test_models_are_a_list(server):
    made = LLMWise(KEY, server.base_url)
    for wrong in ("gpt-5.2", None, 5):
        with pytest.raises(ConfigError, match=r"^models: expected a list of models' names"):
            made.compare(models=wrong, messages=ASK)
    with pytest.raises(ConfigError, match=r"^models: expected a list of models' names, and it is empty"):
        made.compare(models=[], messages=ASK)
    with pytest.raises(ConfigError, match=r"^models: expected a model's name, got 5"):
        made.compare(models=["a", 5], messages=ASK)
    made.compare(models=("a", "b"), messages=tuple(ASK))
    assert server.requests[0].json["models"] == ["a", "b"]


def test_the_purge_is_asked_for(server):
    made = LLMWise(KEY, server.base_url)
    with pytest.raises(TypeError, match="purge_existing_data"):
        made.settings_update_privacy(zero_retention_mode=True)
    made.settings_update_privacy(zero_retention_mode=True, purge_existing_data=False)
    assert server.requests[0].json == {"purge_existing_data": False, "zero_retention_mode": True}


def test_a_proxy_is_used(server):
    with ScriptedRouter(["x"]) as proxy:
        made = LLMWise(KEY, "http://llmwise.test", allow_insecure=True, proxy=proxy.url, policies=[])
        with pytest.raises(LLMWiseError):
            made.models()
        assert proxy.requests[0].path == "http://llmwise.test/api/v1/models"
        made.close()


def test_methods_are_documented_and_belong_to_the_class(server):
    assert "Ask one model" in LLMWise.chat.__doc__
    assert LLMWise(KEY).chat.__name__ == "chat"
    assert LLMWise.models(LLMWise(KEY, server.base_url))
    assert list(LLMWise.chat_stream(LLMWise(KEY, server.base_url), model="m", messages=ASK))
    assert repr(LLMWise(KEY)) == f"LLMWise({HOME!r}, Stack(Trace, Deadline, Retry))"
    assert repr(AsyncLLMWise(KEY, policies=Stack())) == f"AsyncLLMWise({HOME!r}, Stack())"


@pytest.mark.parametrize("kind", [LLMWise, AsyncLLMWise])
def test_a_client_does_not_pickle(kind):
    with pytest.raises(TypeError, match="a client holds connections and does not pickle"):
        pickle.dumps(kind(KEY))


def test_the_clients_do_without_the_agents_sdk():
    code = "import sys; from hanzo_agents.llmwise import LLMWise; sys.exit('agents' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_such_name():
    import hanzo_agents.llmwise as package

    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        package.Nothing  # noqa: B018
    assert package.LLMWiseModel is LLMWiseModel
    assert client.TIMEOUT == 60.0


async def test_a_target_elsewhere_gets_its_own_key_and_nothing_else(server):
    from hanzo_agents.testing._http import json_http

    with LLMWiseServer() as away:
        server.script = [json_http({"error": "down"}, status=503)] * 3
        target = Target("gpt-5.2", away.url, OTHER)
        made = AsyncLLMWise(KEY, server.base_url, policies=[Fallback(to=[target])])
        answer = await made.chat(model="auto", messages=ASK)
        assert answer["model"] == "gpt-5.2"
        assert away.requests[0].headers["authorization"] == f"Bearer {OTHER}"
        assert KEY not in repr(away.requests[0].headers.multi_items())


def test_targets_are_checked_when_the_client_is_made():
    for target, message in (
        (Target("m", "http://x.test", OTHER), "Target.base_url: plain http"),
        (Target("m", "https://x.test", "two words"), "Target.api_key: expected printable"),
        (Target("m", "https://x.test", OTHER, headers={"a": "b"}), "Target.headers: this client sends none"),
    ):
        with pytest.raises(ConfigError, match=f"^{message}"):
            LLMWise(KEY, policies=[Fallback(to=[target])])
