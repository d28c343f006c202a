"""Who is asked in which mode, and in which order."""

import openai
import pytest
from nodes import HELLO, Node, Router, opened

from hanzo_agents import AllProvidersFailed, AsyncHanzo, ConfigError, Retry, Target, Usage
from hanzo_agents._kernel.clock import using_clock
from hanzo_agents.modes import SUBSTITUTES, endpoints, plan
from hanzo_agents.node import LocalNode, discovery
from hanzo_agents.node.weights import find_packaged
from hanzo_agents.testing.clock import FakeClock

AT = "https://api.openai.com/v1"


async def ask(client, model=None, **more):
    more = {"model": model, **more} if model else more
    return await client.chat.completions.create(messages=HELLO, **more)


@pytest.fixture
def cloud(monkeypatch):
    with Router() as router:
        monkeypatch.setenv("HANZO_ROUTER_URL", router.base_url)
        monkeypatch.setenv("HANZO_API_KEY", "sk-router")
        yield router


@pytest.fixture
def node():
    with Node("llama-3-8b", "qwen-2-7b") as node:
        yield node


class TestPlain:
    def test_a_client_of_one_address_is_as_it_was(self, cloud, node, ports):
        ports.append(int(node.url.rpartition(":")[2]))
        made = plan(base_url="https://r.test/v1", api_key="k", model="m", fallbacks=["b"])
        assert (made.base_url, made.api_key, made.model) == ("https://r.test/v1", "k", "m")
        assert made.policies == ()
        assert made.fallbacks == ["b"]
        assert node.requests == []

    def test_without_an_address_it_is_hybrid(self, cloud):
        made = plan()
        assert (made.mode, made.order) == ("hybrid", ("local", "router"))
        assert made.base_url == cloud.base_url


class TestLocal:
    async def test_the_node_answers(self, node):
        client, made = opened(mode="local", node_url=node.url)
        reply = await ask(client)
        assert reply.choices[0].message.content == "from the node"
        assert reply.provider == "local"
        assert node.chats[0].json["model"] == "llama-3-8b"
        assert made.stays_here
        assert "local" in reply.routing_reason

    async def test_its_errors_stay_errors(self, node, cloud):
        node.failing = True
        client, _ = opened(mode="local", node_url=node.url, policies=[Retry(attempts=1)], fallback_on_error=False)
        with pytest.raises(Exception, match="down"):
            await ask(client)
        assert cloud.requests == []

    async def test_a_model_of_the_cloud_is_refused_before_anything_is_sent(self, node):
        client, _ = opened(mode="local", node_url=node.url)
        with pytest.raises(ConfigError, match=r"gpt-4 runs in the cloud only; there is llama-3-8b, qwen-2-7b"):
            await ask(client, "gpt-4")
        assert node.chats == []

    async def test_a_model_that_came_since_is_found(self, node):
        client, _ = opened(mode="local", node_url=node.url)
        node.models.append("mistral-7b")
        discovery.forget_nodes()
        assert (await ask(client, "mistral-7b")).choices[0].message.content == "from the node"

    async def test_a_fallback_is_another_model_of_the_node(self, node):
        client, _ = opened(
            mode="local",
            node_url=node.url,
            model="llama-3-8b",
            fallbacks=["qwen-2-7b"],
            policies=[Retry(attempts=1)],
        )
        node.failing = True
        with pytest.raises(AllProvidersFailed):
            await ask(client)
        assert [request.json["model"] for request in node.chats] == ["llama-3-8b", "qwen-2-7b"]

    async def test_a_copy_for_another_address_sends_nothing(self, node, cloud):
        client, _ = opened(mode="local", node_url=node.url)
        away = client.with_options(base_url="https://elsewhere.test/v1", api_key="k")
        with pytest.raises(ConfigError, match=r'mode "local" sends nothing to elsewhere\.test'):
            await ask(away, "llama-3-8b")

    def test_the_environments_router_is_left_alone(self, node, cloud, monkeypatch):
        monkeypatch.setenv("HANZO_MODEL", "gpt-4")
        made = plan(mode="local", node_url=node.url)
        assert (made.base_url, made.model) == (node.base_url, "llama-3-8b")

    def test_the_environments_model_counts_when_it_is_there(self, node, monkeypatch):
        monkeypatch.setenv("HANZO_MODEL", "qwen-2-7b")
        assert plan(mode="local", node_url=node.url).model == "qwen-2-7b"

    def test_a_node_that_does_not_answer_yet_is_no_contradiction(self):
        made = plan(mode="local", node_url="http://127.0.0.1:9", model="llama-3-8b")
        assert made.base_url == "http://127.0.0.1:9/v1"

    def test_nobody_there(self, no_engine):
        with pytest.raises(ConfigError, match=r"no node answers on this machine .* HANZO_NODE_URL"):
            plan(mode="local")

    async def test_responses_and_embeddings_go_there_too(self, node):
        client, _ = opened(mode="local", node_url=node.url)
        reply = await client.responses.create(input="Hello!")
        assert reply.output_text == "from the node"

    async def test_a_stream(self, node):
        client, _ = opened(mode="local", node_url=node.url)
        said = ""
        async for chunk in await ask(client, stream=True):
            said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        assert said == "from the node"
        assert chunk.provider == "local"

    async def test_explain_says_it(self, node):
        client, _ = opened(mode="local", node_url=node.url)
        assert "local: local for llama-3-8b" in str(await client.explain(messages=HELLO))
        assert "runs in the cloud only" in str(await client.explain(messages=HELLO, model="gpt-4"))
        assert node.chats == []


class TestHybrid:
    async def test_this_machine_first(self, node, cloud):
        client, made = opened(mode="hybrid", node_url=node.url)
        reply = await ask(client)
        assert (reply.provider, reply.model) == ("local", "llama-3-8b")
        assert made.order == ("local", "router")
        assert cloud.asked == []

    async def test_a_model_it_has_not_goes_to_the_router(self, node, cloud):
        client, _ = opened(mode="hybrid", node_url=node.url)
        reply = await ask(client, "gpt-4")
        assert reply.choices[0].message.content == "from the cloud"
        assert cloud.asked == ["gpt-4"]
        assert node.chats == []
        assert cloud.requests[0].headers["authorization"] == "Bearer sk-router"

    async def test_the_routers_key_never_reaches_the_node(self, node, cloud):
        client, _ = opened(mode="hybrid", node_url=node.url)
        await ask(client)
        assert not any("sk-router" in str(request.headers) for request in node.requests)

    async def test_a_node_that_fails_is_stood_in_for(self, node, cloud):
        node.failing = True
        client, _ = opened(mode="hybrid", node_url=node.url)
        reply = await ask(client, "llama-3-8b")
        assert reply.choices[0].message.content == "from the cloud"
        assert cloud.asked == ["llama-3-8b"]
        assert [attempt.target for attempt in reply.attempts] == ["llama-3-8b", "router/llama-3-8b"]
        assert "Fallback moves on: llama-3-8b failed" in reply.routing_reason

    async def test_by_another_model_where_the_order_says_so(self, node, cloud):
        node.failing = True
        client, _ = opened(mode="hybrid", node_url=node.url, fallback_order=["local", "router/gpt-4"])
        reply = await ask(client, "qwen-2-7b")
        assert cloud.asked == ["qwen-2-7b"], "the router may well have it"
        assert reply.choices[0].message.content == "from the cloud"

    async def test_not_when_it_is_turned_off(self, node, cloud):
        node.failing = True
        client, _ = opened(mode="hybrid", node_url=node.url, fallback_on_error=False, policies=[Retry(attempts=1)])
        with pytest.raises(Exception, match="down"):
            await ask(client, "llama-3-8b")
        assert cloud.requests == []

    async def test_the_order_names_what_stands_in_here_too(self, node, cloud, no_engine):
        cloud.without = ("gpt-4",)
        order = {"node_url": node.url, "fallback_order": ["router", "local/qwen-2-7b"]}
        assert (await ask(opened(mode="hybrid", **order)[0], "gpt-4")).model == "qwen-2-7b"
        alone, made = opened(mode="local", node_url=node.url, fallback_order=["local/qwen-2-7b"])
        assert made.model == "qwen-2-7b"
        assert (await ask(alone)).model == "qwen-2-7b"
        for mode in ("local", "hybrid"):
            with pytest.raises(
                ConfigError, match=r"^fallback_order: gpt-4 runs in the cloud only; there is llama-3-8b"
            ):
                plan(mode=mode, node_url=node.url, fallback_order=["local/gpt-4"])
        nobody, _ = opened(mode="hybrid", fallback_order=["local/qwen-2-7b", "router"])
        assert (await ask(nobody, "m")).model == "m"

    async def test_nor_for_a_model_that_nobody_has(self, node):
        client, _ = opened(mode="hybrid", node_url=node.url, fallback_on_error=False)
        with pytest.raises(openai.NotFoundError):
            await ask(client, "gpt-4")
        standing_in, _ = opened(mode="hybrid", node_url=node.url)
        assert (await ask(standing_in, "gpt-4")).model == "llama-3-8b"

    async def test_prefer_local_false_asks_it_last(self, node, cloud):
        client, made = opened(mode="hybrid", node_url=node.url, prefer_local=False)
        assert made.order == ("router", "local")
        assert (await ask(client, "llama-3-8b")).choices[0].message.content == "from the cloud"

    async def test_local_slash_never_leaves_the_machine(self, node, cloud):
        node.failing = True
        client, _ = opened(mode="hybrid", node_url=node.url, policies=[Retry(attempts=1)])
        with pytest.raises(Exception, match="down"):
            await ask(client, "local/llama-3-8b")
        with pytest.raises(ConfigError, match="gpt-4 runs in the cloud only"):
            await ask(client, "local/gpt-4")
        assert cloud.requests == []
        assert node.chats[0].json["model"] == "llama-3-8b"

    async def test_a_node_that_comes_later_is_found(self, cloud, ports):
        clock = FakeClock()
        client, made = opened(mode="hybrid")
        with using_clock(clock), Node("llama-3-8b") as node:
            assert (await ask(client, "llama-3-8b")).choices[0].message.content == "from the cloud"
            ports.append(int(node.url.rpartition(":")[2]))
            discovery.forget_nodes()
            assert (await ask(client, "llama-3-8b")).choices[0].message.content == "from the cloud"
            clock.advance(31)
            assert (await ask(client, "llama-3-8b")).provider == "local"
            assert made.local.base_url == node.base_url

    async def test_the_router_is_home(self, node, cloud):
        """What is for the router, headers and labels, goes to it although the node is asked first."""
        made = plan(mode="hybrid", node_url=node.url)
        assert made.base_url == cloud.base_url

    async def test_the_first_is_cached_as_what_was_asked(self, node, cloud):
        from hanzo_agents import Cache

        client, _ = opened(mode="hybrid", node_url=node.url, policies=[Cache()])
        await ask(client)
        assert (await ask(client)).from_cache
        assert len(node.chats) == 1

    async def test_a_stranger_on_a_port_that_calls_itself_gpt_4_gets_nothing(self, cloud, ports):
        with Node("gpt-4", "llama-3-8b") as stranger:
            ports.append(int(stranger.url.rpartition(":")[2]))
            client, _ = opened(mode="hybrid")
            await ask(client, "gpt-4")
            assert (cloud.asked, stranger.chats) == (["gpt-4"], [])
            assert (await ask(client, "local/gpt-4")).provider == "local", "unless it is meant"
            client, _ = opened(mode="hybrid", node_url=stranger.url)
            assert (await ask(client, "gpt-4")).provider == "local", "or the user named the node"

    async def test_a_node_that_wants_a_key_we_have_not_is_left_out(self, cloud, ports):
        with Node("llama-3-8b", kind="hanzod") as locked:
            locked.key = "sk-node"
            ports.append(int(locked.url.rpartition(":")[2]))
            client, _ = opened(mode="hybrid")
            assert (await ask(client, "llama-3-8b")).choices[0].message.content == "from the cloud"
            client, _ = opened(mode="hybrid", node_url=locked.url, node_api_key="sk-node")
            assert (await ask(client, "llama-3-8b")).provider == "local"
            client, _ = opened(mode="local", node_url=locked.url)
            with pytest.raises(openai.AuthenticationError):
                await ask(client, "llama-3-8b")

    def test_the_toy_does_not_push_in_before_a_router(self, cloud):
        made = plan(mode="hybrid")
        assert made.local is not None
        assert made.local.base_url is None

    @pytest.mark.node
    async def test_alone_the_embedded_node_answers(self):
        client, made = opened(mode="hybrid")
        assert made.order == ("local",)
        assert (await ask(client, max_tokens=4)).provider == "local"

    @pytest.mark.node
    def test_that_it_does_is_said_once(self, caplog, monkeypatch):
        monkeypatch.setattr(endpoints.stands_in, "_said", False)
        for _ in range(2):
            AsyncHanzo()
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert record.getMessage().startswith(
            "no router, provider or node is configured: smollm2-135m-instruct answers, a small model on this machine"
        )
        caplog.clear()
        AsyncHanzo(inference_mode="local")
        assert caplog.records == [], "who asks for it is told nothing"

    @pytest.mark.node
    def test_not_in_the_place_of_a_router_that_was_meant(self, monkeypatch):
        monkeypatch.setenv("HANZO_API_KEY", "sk-router")
        with pytest.raises(ConfigError, match=r"^base_url: HANZO_API_KEY is set and HANZO_ROUTER_URL is not"):
            AsyncHanzo()

    def test_nobody_at_all(self, no_engine):
        with pytest.raises(ConfigError, match="nobody to ask"):
            plan(mode="hybrid")


class TestWhatItCosts:
    """Free is what answers on this machine by itself; of anything else nobody knows."""

    async def test_a_node_of_this_machine_is_free(self, node, cloud):
        client = AsyncHanzo(cloud.url + "/v1", "sk", inference_mode="hybrid", node_url=node.url, policies=[])
        reply = await client.chat.completions.create(messages=HELLO, model="llama-3-8b")
        assert (reply.provider, reply.cost) == ("local", 0)

    async def test_one_that_passes_models_on_is_not(self, cloud):
        with Node("llama-3-8b", owned_by="openai") as proxy:
            for settings in ({"inference_mode": "local"}, {"base_url": cloud.url + "/v1", "api_key": "sk"}):
                client = AsyncHanzo(node_url=proxy.url, **settings)
                reply = await client.chat.completions.create(messages=HELLO, model="llama-3-8b")
                assert reply.provider != "local"
                assert reply.cost != 0
                await client.close()

    async def test_nor_is_it_on_this_machine_for_a_name_that_says_so(self, cloud):
        with Node("llama-3-8b", owned_by="openai") as proxy:
            client = AsyncHanzo(cloud.url + "/v1", "sk", node_url=proxy.url)
            with pytest.raises(ConfigError, match="llama-3-8b"):
                await client.chat.completions.create(messages=HELLO, model="local/llama-3-8b")
            assert proxy.chats == []

    def test_a_node_elsewhere_is_not_free_by_itself(self, cloud):
        client = AsyncHanzo(cloud.url + "/v1", "sk")
        here, there = (
            Target("my-own", f"http{s}/v1", "k", provider="local")
            for s in ("://127.0.0.1:8080", "s://gpu.example")
        )
        assert client.prices.known(here).cost(Usage(10, 10)) == 0
        assert client.prices.known(there) is None


class TestDownloaded:
    @pytest.fixture
    def downloaded(self, tmp_path):
        (tmp_path / "models").mkdir()
        (tmp_path / "models" / "mine-1b.gguf").symlink_to(find_packaged())
        yield "mine-1b"
        for node in LocalNode._serving.values():
            node.stop()
        LocalNode._serving.clear()

    @pytest.mark.node
    async def test_a_downloaded_model_is_served_when_it_is_asked_for(self, node, downloaded):
        """The node of this machine does not have it; the embedded one does."""
        client, made = opened(mode="local", node_url=node.url)
        assert {one.id for one in made.local.models()} == {"llama-3-8b", "qwen-2-7b", downloaded}
        reply = await ask(client, downloaded, max_tokens=4)
        assert (reply.model, reply.provider) == (downloaded, "local")
        assert node.chats == []

    @pytest.mark.node
    async def test_in_hybrid_too(self, cloud, downloaded):
        client, _ = opened(mode="hybrid")
        assert (await ask(client, downloaded, max_tokens=4)).provider == "local"
        assert cloud.asked == []

    @pytest.mark.node
    def test_it_may_be_the_default(self, node, downloaded):
        assert plan(mode="local", node_url=node.url, model=downloaded).model == downloaded


class TestDirect:
    def test_keys_lead_to_the_providers_own_addresses(self, no_engine):
        made = plan(mode="cloud_only", openai_api_key="sk-o", anthropic_api_key="sk-a")
        assert made.order == ("openai", "anthropic")
        assert (made.base_url, made.api_key, made.model) == (AT, "sk-o", SUBSTITUTES["openai"])
        (walk,) = made.policies
        gpt, claude = walk.order[0].serving("gpt-4", "chat"), walk.order[1].serving("claude-3-opus", "chat")
        assert (gpt.base_url, gpt.api_key) == (AT, "sk-o")
        assert (claude.base_url, claude.api_key) == ("https://api.anthropic.com/v1", "sk-a")
        assert walk.order[1].serving("claude-3-opus", "responses") is None, "its API has chat only"
        assert "sk-o" not in repr(made)

    @pytest.mark.parametrize("name", ["openai", "anthropic"])
    def test_the_environments_key_counts_only_for_who_is_named(self, name, monkeypatch, cloud):
        monkeypatch.setenv(f"{name.upper()}_API_KEY", "sk-env")
        assert plan(mode="cloud_only").order == ("router",)
        (walk,) = plan(mode="cloud_only", fallback_order=[name, "router"]).policies
        assert walk.order[0].api_key == "sk-env"
        (walk,) = plan(mode="cloud_only", providers=[name]).policies
        assert walk.order[0].api_key == "sk-env"

    async def test_without_a_key_the_router_carries_them(self, node, cloud):
        node.failing = True
        client, made = opened(
            mode="hybrid", node_url=node.url, fallback_order=["local", "openai/gpt-x", "anthropic"],
            policies=[Retry(attempts=1)],
        )  # fmt: skip
        assert made.order == ("local", "openai", "anthropic")
        cloud.without = ("gpt-x",)
        await ask(client, "llama-3-8b")
        assert cloud.asked == ["gpt-x", SUBSTITUTES["anthropic"]]

    async def test_who_has_the_model_is_asked_before_who_has_another(self, node, cloud):
        client, _ = opened(mode="hybrid", node_url=node.url, fallback_order=["local", "openai", "anthropic"])
        await ask(client, "claude-3-opus")
        assert cloud.asked == ["claude-3-opus"]

    def test_neither_key_nor_router(self, no_engine):
        with pytest.raises(ConfigError, match="openai_api_key: openai is to be asked"):
            plan(mode="hybrid", fallback_order=["local", "openai"])

    async def test_embeddings_of_another_model_are_no_substitute(self, node, cloud):
        client, _ = opened(
            mode="hybrid",
            node_url=node.url,
            fallback_order=["openai", "local", "router"],
            policies=[Retry(attempts=1)],
        )
        cloud.without = ("text-embedding-3-small",)
        with pytest.raises(Exception, match="Invalid model name"):
            await client.embeddings.create(model="text-embedding-3-small", input="Hello!")
        assert set(cloud.asked) == {"text-embedding-3-small"}
        assert node.chats == []

    def test_what_ignores_a_schema_is_passed_by(self):
        (walk,) = plan(mode="cloud_only", anthropic_api_key="sk-a").policies
        assert walk.order[0].serving("claude-3-opus", "chat").lacks == {"audio", "json_schema"}


class TestProvidersOfOnesOwn:
    async def test_are_asked_in_their_place(self, node, cloud):
        with Router(says="from mine") as mine:
            node.failing = True
            target = Target("m-7", base_url=mine.base_url, api_key="sk-mine", headers={"x-team": "a"})
            client, made = opened(
                mode="hybrid", node_url=node.url, providers={"mine": target}, fallback_order=["local", "mine", "router"],
                policies=[Retry(attempts=1)],
            )  # fmt: skip
            reply = await ask(client, "llama-3-8b")
            assert made.order == ("local", "mine", "router")
            assert reply.choices[0].message.content == "from the cloud", "it has the very model"
            cloud.without = ("llama-3-8b",)
            reply = await ask(client, "llama-3-8b")
            assert (reply.choices[0].message.content, reply.provider) == ("from mine", "mine")
            assert mine.requests[0].headers["x-team"] == "a"
            assert (await ask(client, "m-7")).provider == "mine"

    async def test_alone(self):
        with Router(says="from mine") as mine:
            target = Target(base_url=mine.base_url, api_key="sk-mine", headers={"x-team": "a"})
            client, _ = opened(mode="cloud_only", providers={"mine": target})
            assert (await ask(client, "any")).provider == "mine"
            assert mine.requests[0].headers["x-team"] == "a"


K = {"base_url": "https://r.test/v1", "api_key": "sk-canary-1"}
T = Target("m", base_url="https://t.test/v1", api_key="sk-canary-2")
CONTRADICTIONS = [
    ({"mode": "locally"}, r"inference_mode: expected one of local, hybrid, cloud_only, got 'locally'"),
    ({"mode": "local", **K}, r'base_url: mode "local" never leaves this machine; leave it out; node_url is'),
    ({"mode": "local", "api_key": "sk-canary-1"}, r'api_key: mode "local" never'),
    ({"mode": "local", "openai_api_key": "sk-canary-1"}, r'openai_api_key: mode "local" never'),
    ({"mode": "local", "providers": {"mine": T}}, r'providers: mode "local" never'),
    ({"mode": "local", "http_client": object()}, r'http_client: mode "local" never'),
    ({"mode": "local", "proxy": "http://p"}, r'proxy: mode "local" never'),
    ({"mode": "local", "fallback_order": ["local", "openai"]}, r"fallback_order: .* never asks openai"),
    ({"mode": "local", "prefer_local": False}, r"prefer_local: False contradicts"),
    (
        {"mode": "local", "node_url": "https://gpu.example"},
        r'node_url: mode "local" never .* https://gpu.example/v1',
    ),
    ({"mode": "local", "model": "gpt-4"}, r"model: gpt-4 runs in the cloud only; there is llama-3-8b"),
    ({"mode": "local", "model": "no-such"}, r"model: no-such is not on this machine"),
    ({"mode": "local", "fallbacks": ["gpt-4"]}, r"fallbacks: gpt-4 runs in the cloud only"),
    ({"mode": "local", "fallbacks": [T]}, r"fallbacks: .* m@t.test is elsewhere"),
    ({"mode": "cloud_only", **K, "node_url": "http://localhost:1"}, r'node_url: mode "cloud_only" asks no node'),
    ({"mode": "cloud_only", **K, "prefer_local": True}, r'prefer_local: mode "cloud_only" leaves'),
    ({"mode": "cloud_only", **K, "fallback_order": ["local"]}, r'fallback_order: mode "cloud_only" leaves'),
    ({"mode": "cloud_only", **K, "model": "local/x"}, r"model: local/x is on this machine"),
    ({"mode": "cloud_only"}, r"base_url: nobody to ask"),
    ({**K, "fallback_order": ["local"]}, r"base_url: fallback_order does not name 'router'"),
    ({"fallback_order": ["router"]}, r"fallback_order: no router is configured"),
    ({**K, "fallback_order": ["mars"]}, r"fallback_order: expected some of anthropic, .*got 'mars'"),
    ({**K, "fallback_order": "local"}, r"fallback_order: expected a list of names, got str"),
    ({**K, "fallback_order": []}, r"fallback_order: expected at least one name"),
    ({**K, "fallback_order": ["local/"]}, r"fallback_order: expected a model behind the slash, got 'local/'"),
    ({**K, "fallback_order": ["router", 7]}, r"fallback_order: expected a list of names, got int among them"),
    ({**K, "providers": [["openai"]]}, r"providers: expected a list of names, got list among them"),
    ({"mode": ["local"]}, r"inference_mode: expected one of local, hybrid, cloud_only, got \['local'\]"),
    ({**K, "openai_api_key": "sk-canary-3", "fallback_order": ["router"]}, r"openai_api_key: .* never be asked"),
    ({**K, "openai_api_key": ""}, r"openai_api_key: expected a string"),
    ({**K, "openai_api_key": "sk canary"}, r"openai_api_key: expected printable ASCII"),
    ({**K, "providers": {"mine": T}, "fallback_order": ["router"]}, r"providers: mine: fallback_order does not"),
    ({**K, "providers": {"router": T}}, r"providers: expected a name"),
    ({**K, "providers": {"mine": "x"}}, r"providers: mine: expected a Target"),
    ({**K, "providers": ["mars"]}, r"providers: as names expected some of anthropic, openai, got 'mars'"),
    ({**K, "providers": 7}, r"providers: expected targets by name, got int"),
    ({**K, "fallback_on_error": False, "fallbacks": ["b"]}, r"fallback_on_error: False, and fallbacks"),
    ({**K, "fallback_on_error": 1}, r"fallback_on_error: expected True or False, got 1"),
    (
        {**K, "prefer_local": False, "fallback_order": ["local", "router"]},
        r"prefer_local: False, and fallback_order",
    ),
    ({**K, "mode": "hybrid", "node_url": "localhost:8080"}, r"node_url: expected the address of a node"),
    ({**K, "mode": "hybrid", "node_url": "http://gpu.example"}, r"node_url: plain http to gpu.example"),
    ({"mode": "hybrid", "providers": {"mine": Target("m")}}, r"providers: mine: expected a Target with base_url"),
    ({**K, "node_url": 8080}, r"node_url: expected a string, got int"),
]


@pytest.mark.parametrize(("settings", "says"), CONTRADICTIONS, ids=[str(n) for n in range(len(CONTRADICTIONS))])
def test_contradictions_are_refused_before_any_call(settings, says, node, ports):
    ports.append(int(node.url.rpartition(":")[2]))
    with pytest.raises(ConfigError, match=says) as caught:
        plan(**settings)
    assert node.chats == []
    frames, tb = [], caught.value.__traceback__
    while tb is not None:
        if "hanzo_agents" in tb.tb_frame.f_code.co_filename:
            frames.append(repr(tb.tb_frame.f_locals))
        tb = tb.tb_next
    assert "sk-canary" not in "".join([str(caught.value), *frames])
