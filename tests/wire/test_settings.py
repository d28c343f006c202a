"""Where the router and its key come from: argument > environment > .env, and never half from one and half from another."""

import pytest
from upstream import Upstream, completion

from hanzo_agents import AsyncHanzo, ConfigError, HanzoModelProvider, Settings, Stack

URL, KEY, MODEL = "HANZO_ROUTER_URL", "HANZO_API_KEY", "HANZO_MODEL"
A, B, F = "https://argument.test/v1", "https://environment.test/v1", "https://file.test/v1"


@pytest.fixture
def resolve(monkeypatch, tmp_path):
    def resolve(arguments=None, environment=None, file=None, **more):
        for name, text in (environment or {}).items():
            monkeypatch.setenv(name, text)
        if file is not None:
            path = tmp_path / "my.env"
            path.write_text("\n".join(f"{name}={text}" for name, text in file.items()))
            more["env_file"] = path
        found = Settings.resolve(**(arguments or {}), **more)
        return found.base_url, found.api_key.get_secret_value(), found.model

    return resolve


ENV = {URL: B, KEY: "key-env", MODEL: "model-env"}
FILE = {URL: F, KEY: "key-file", MODEL: "model-file"}
ARGUMENTS = {"base_url": A, "api_key": "key-arg", "model": "model-arg"}

GOOD = {
    "arguments": (ARGUMENTS, {}, None, (A, "key-arg", "model-arg")),
    "environment": ({}, ENV, None, (B, "key-env", "model-env")),
    "file": ({}, {}, FILE, (F, "key-file", "model-file")),
    "arguments win": (ARGUMENTS, ENV, FILE, (A, "key-arg", "model-arg")),
    "environment before file": ({}, ENV, FILE, (B, "key-env", "model-env")),
    "the model alone, from anywhere": ({"base_url": A, "api_key": "k"}, {MODEL: "m"}, None, (A, "k", "m")),
    "the model from the file": ({"base_url": A, "api_key": "k"}, {}, {MODEL: "m"}, (A, "k", "m")),
    "no model": ({"base_url": A, "api_key": "k"}, {}, None, (A, "k", None)),
    "own model, environment's router": ({"model": "mine"}, ENV, None, (B, "key-env", "mine")),
    "own key for the environment's address": ({"api_key": "mine"}, ENV, None, (B, "mine", "model-env")),
    "the environment's address said again": ({"base_url": B}, ENV, None, (B, "key-env", "model-env")),
    "the same with a slash": ({"base_url": B + "/"}, ENV, None, (B + "/", "key-env", "model-env")),
    "the file's address said again": ({"base_url": F}, {}, FILE, (F, "key-file", "model-file")),
    "empty strings are unset": ({"base_url": "", "api_key": "  "}, {**ENV, MODEL: ""}, None, (B, "key-env", None)),
    "empty variables are unset": ({}, {URL: "", KEY: "", MODEL: ""}, FILE, (F, "key-file", "model-file")),
}
BAD = {
    "nothing": ({}, {}, None, r"base_url: .*HANZO_ROUTER_URL.*\.local\(\)"),
    "key without address": ({"api_key": "k"}, {}, None, "base_url"),
    "address without key": ({"base_url": A}, {}, None, "api_key"),
    "another address than the key's": ({"base_url": A}, ENV, None, "api_key"),
    "another address than the file's": ({"base_url": A}, {}, FILE, "api_key"),
    "address in the environment, key in the file": ({}, {URL: B}, {KEY: "key-file"}, "api_key"),
    "address in the file, key in the environment": ({}, {KEY: "key-env"}, {URL: F}, "api_key"),
    "environment's address, file whole": ({}, {URL: B}, FILE, "api_key"),
    "a key in the environment alone": ({}, {KEY: "k"}, None, "base_url"),
    "no string": ({"base_url": 5, "api_key": "k"}, {}, None, "base_url: expected a string, got int"),
    "no URL": ({"base_url": "router", "api_key": "k"}, {}, None, r"base_url: expected http\(s\)://"),
    "no host": ({"base_url": "https://", "api_key": "k"}, {}, None, "base_url"),
    "another scheme": ({"base_url": "file:///etc", "api_key": "k"}, {}, None, "base_url"),
    "credentials in the address": (
        {"base_url": "https://u:p@h.test", "api_key": "k"},
        {},
        None,
        "user or password",
    ),
    "a query": ({"base_url": "https://h.test/?a=b", "api_key": "k"}, {}, None, "query"),
    "plain http": ({"base_url": "http://h.test/v1", "api_key": "k"}, {}, None, "plain http to h.test"),
    "plain http in the environment": ({}, {**ENV, URL: "http://h.test/v1"}, None, f"^{URL}: plain http"),
    "plain http in the file": ({}, {}, {**FILE, URL: "http://h.test/v1"}, f"^{URL} in env_file: plain http"),
    "no scheme in the environment": (
        {},
        {**ENV, URL: "h.test/v1"},
        None,
        f"^{URL}: .*9 characters without a scheme",
    ),
    "a bad key in the environment": ({}, {**ENV, KEY: "key-env two"}, None, f"^{KEY}: expected printable"),
    "a bad key in the file": ({}, {}, {**FILE, KEY: "key-file ü"}, f"^{KEY} in env_file: expected printable"),
    "a bad key for the environment's address": ({"api_key": "sk-a b"}, ENV, None, "^api_key: expected printable"),
    "a key no header can carry": ({"base_url": A, "api_key": "sk-a\nb"}, {}, None, "api_key: expected printable"),
}


@pytest.mark.parametrize(("arguments", "environment", "file", "found"), GOOD.values(), ids=GOOD)
def test_precedence(resolve, arguments, environment, file, found):
    assert resolve(arguments, environment, file) == found


@pytest.mark.parametrize(("arguments", "environment", "file", "why"), BAD.values(), ids=BAD)
def test_what_is_missing_or_mixed_is_refused_by_name(resolve, arguments, environment, file, why):
    with pytest.raises(ConfigError, match=why) as caught:
        resolve(arguments, environment, file)
    for secret in ("key-env", "key-file", "key-arg", "sk-a", "u:p"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "router.localhost"])
def test_plain_http_may_stay_on_this_machine(resolve, host):
    assert resolve({"base_url": f"http://{host}:4000/v1", "api_key": "k"})[0] == f"http://{host}:4000/v1"


@pytest.mark.parametrize(
    "host", ["127.0.0.1.evil.test", "localhost.evil.test", "10.0.0.1", "127.evil.test", "0.0.0.0"]
)
def test_hosts_that_only_look_local_are_not(resolve, host):
    with pytest.raises(ConfigError, match="plain http"):
        resolve({"base_url": f"http://{host}/v1", "api_key": "k"})


def test_plain_http_is_permitted_when_asked_for(resolve):
    assert (
        resolve({"base_url": "http://10.0.0.1/v1", "api_key": "k"}, allow_insecure=True)[0] == "http://10.0.0.1/v1"
    )


def test_no_env_file_is_read_unasked(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text(f"{URL}={F}\n{KEY}=key-file\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        Settings.resolve()


def test_an_env_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ConfigError, match="env_file"):
        Settings.resolve(env_file=tmp_path / "none.env")


def test_an_env_file_does_not_borrow_from_the_environment(resolve, monkeypatch):
    monkeypatch.setenv("SECRET_OF_OTHERS", "sk-theirs")
    assert resolve({}, {}, {URL: F, KEY: "${SECRET_OF_OTHERS}x"})[1] == "${SECRET_OF_OTHERS}x"


def test_an_env_file_does_not_change_the_environment(resolve):
    import os

    resolve({}, {}, FILE)
    assert URL not in os.environ


def test_the_key_is_in_no_representation(resolve):
    settings = Settings.resolve(base_url=A, api_key="sk-very-secret")
    for text in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "sk-very-secret" not in text


@pytest.mark.parametrize("make", [AsyncHanzo, HanzoModelProvider])
def test_client_and_provider_read_them_alike(make, monkeypatch):
    for name, text in ENV.items():
        monkeypatch.setenv(name, text)
    made = make()
    client = made.client if isinstance(made, HanzoModelProvider) else made
    assert (str(client.base_url), client.api_key, client.default_model) == (B + "/", "key-env", "model-env")


@pytest.mark.parametrize("make", [lambda: AsyncHanzo(policies=Stack()), HanzoModelProvider])
def test_nothing_set_is_said_at_once(make):
    with pytest.raises(ConfigError, match=r"HANZO_ROUTER_URL.*\.local\(\)"):
        make()


OPENAI = {
    "OPENAI_API_KEY": "sk-openai-key",
    "OPENAI_BASE_URL": "https://api.openai.test/v1",
    "OPENAI_ORG_ID": "org-secret",
    "OPENAI_PROJECT_ID": "proj-secret",
    "OPENAI_CUSTOM_HEADERS": "X-Custom: custom-secret",
    "OPENAI_WEBHOOK_SECRET": "whsec-secret",
    "OPENAI_ADMIN_KEY": "sk-admin-secret",
}


@pytest.mark.parametrize(
    "change", [{}, {"timeout": 5}, {"max_retries": 0}, {"default_headers": {"X-Own": "1"}}], ids=str
)
async def test_openai_variables_never_reach_the_router(monkeypatch, change):
    for name, text in OPENAI.items():
        monkeypatch.setenv(name, text)
    upstream = Upstream(completion())
    client = upstream.client()
    if change:
        client = client.with_options(**change)
    await client.chat.completions.create(messages=[{"role": "user", "content": "x"}])
    await client.chat.completions.with_raw_response.create(messages=[{"role": "user", "content": "x"}], model="m")
    upstream.replies = [{"object": "list", "data": []}]
    await client.models.list()
    for request in upstream.requests:
        assert request.url.host == "router.test"
        whole = str(request.headers.raw) + str(request.content)
        assert not [text for text in OPENAI.values() if text.rpartition(": ")[2] in whole]


def test_openai_variables_are_no_settings(monkeypatch):
    for name, text in OPENAI.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(ConfigError, match="HANZO_ROUTER_URL"):
        AsyncHanzo(policies=Stack())
    with pytest.raises(ConfigError, match="api_key"):
        AsyncHanzo("https://router.test/v1")
