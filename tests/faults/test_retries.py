"""Who asks again, how often, and after how long. Rows 1 to 8 and 44 to 47."""

import ssl
from datetime import UTC, datetime, timedelta

import openai
import pytest
import trustme
from agents import ModelRetrySettings, ModelSettings, retry_policies
from agents.exceptions import UserError

from hanzo_agents import Fallback, Retry, RetryBudget, Target
from hanzo_agents.errors import AllProvidersFailed
from hanzo_agents.testing.fault_server import FaultServer, answers, faults

MODES = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
AT_ONCE = {"retry-after-ms": "1"}
NOW = datetime.fromtimestamp(1_800_000_000, UTC)  # where the clock of the stage begins


def runner_retries(times):
    return ModelSettings(retry=ModelRetrySettings(max_retries=times, policy=retry_policies.http_status([503])))


class TestOneOwner:
    """Row 44."""

    @MODES
    async def test_the_bare_sdk_multiplies(self, stage, stream):
        stage.server.script(faults.status(503, headers=AT_ONCE), repeat=True)
        await stage.ask(stage.bare(max_retries=2), stream=stream, settings=runner_retries(2))
        assert stage.server.hits == 5

    @MODES
    @pytest.mark.parametrize("times", [1, 2, 5])
    async def test_ours_does_not(self, stage, stream, times):
        stage.server.script(faults.status(503), repeat=True)
        heard = await stage.ask(
            stage.hanzo(Retry(attempts=3, base_delay=0)), stream=stream, settings=runner_retries(times)
        )
        assert isinstance(heard.error, openai.InternalServerError)
        assert stage.server.hits == 3

    @MODES
    async def test_with_fallbacks_each_target_has_its_attempts(self, stage, stream):
        stage.server.script(faults.status(503), repeat=True)
        provider = stage.hanzo(Retry(attempts=3, base_delay=0), fallbacks=["spare"])
        heard = await stage.ask(provider, stream=stream, settings=runner_retries(5))
        assert isinstance(heard.error, AllProvidersFailed)
        assert [request.model for request in stage.server.requests] == ["m"] * 3 + ["spare"] * 3

    @MODES
    async def test_none_means_one_request(self, stage, stream):
        stage.server.script(faults.status(503), repeat=True)
        provider = stage.hanzo(Retry(attempts=3, base_delay=0), fallbacks=["spare"])
        heard = await stage.ask(provider, stream=stream, settings=runner_retries(0))
        assert isinstance(heard.error, openai.InternalServerError)
        assert stage.server.hits == 1

    @MODES
    async def test_without_policies_the_runner_may_retry(self, stage, stream):
        stage.server.script(faults.status(503, headers=AT_ONCE), "Second")
        assert (await stage.ask(stage.hanzo(), stream=stream, settings=runner_retries(2))).text == "Second"
        assert stage.server.hits == 2

    async def test_an_outage_is_not_amplified(self, stage):
        stage.server.script(faults.status(503), repeat=True)
        provider = stage.hanzo(Retry(attempts=3, base_delay=0, budget=RetryBudget(capacity=10)))
        for _ in range(40):
            await stage.ask(provider, stream=False)
        assert stage.server.hits == 40 + 10


class TestStatuses:
    @MODES
    @pytest.mark.parametrize("code", [408, 409, 429, 500, 502, 503, 504, 529])
    async def test_transient(self, stage, stream, code):
        stage.server.script(faults.status(code), "Second")
        assert (await stage.ask(stage.hanzo(Retry(attempts=2, base_delay=0)), stream=stream)).text == "Second"
        assert stage.server.hits == 2

    @MODES
    @pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 422])
    async def test_final(self, stage, stream, code):
        stage.server.script(faults.status(code), repeat=True)
        heard = await stage.ask(stage.hanzo(Retry(attempts=3, base_delay=0)), stream=stream)
        assert isinstance(heard.error, openai.APIStatusError)
        assert (heard.error.status_code, stage.server.hits) == (code, 1)

    @pytest.mark.parametrize(("code", "advice", "hits"), [(503, "false", 1), (400, "true", 2)])
    async def test_the_upstream_knows_better(self, stage, code, advice, hits):
        stage.server.script(faults.status(code, headers={"x-should-retry": advice}), repeat=True)
        await stage.ask(stage.hanzo(Retry(attempts=2, base_delay=0)), stream=False)
        assert stage.server.hits == hits

    async def test_an_exhausted_quota_does_not_fill_up_in_a_moment(self, stage):
        stage.server.script(faults.status(429, error_code="insufficient_quota"), repeat=True)
        await stage.ask(stage.hanzo(Retry(attempts=3, base_delay=0)), stream=False)
        assert stage.server.hits == 1

    async def test_an_error_in_a_200_is_judged_by_its_code(self, stage):
        stage.server.script(
            faults.error_in_200("no such thing", code=400, kind="invalid_request_error"), repeat=True
        )
        heard = await stage.ask(stage.hanzo(Retry(attempts=3, base_delay=0)), stream=False)
        assert (heard.error.status_code, stage.server.hits) == (400, 1)

    async def test_a_bad_body_of_an_error_changes_nothing(self, stage):
        bodies = [b"\xff\xfe", b"", "<html>", [], None, {"detail": [{"msg": "x"}]}, {"error": "text"}]
        for body in bodies:
            stage.server.script(faults.status(500, body=body), "Second")
        provider = stage.hanzo(Retry(attempts=2, base_delay=0))
        for _ in bodies:
            assert (await stage.ask(provider, stream=False)).text == "Second"

    @pytest.mark.parametrize(
        "value", ["Grüße", b"\xff\xfe".decode("utf-8", "surrogateescape")], ids=["UTF-8", "bytes"]
    )
    async def test_headers_are_not_always_ascii(self, stage, value):
        """Row 25."""
        odd = {"x-note": value}
        stage.server.script(faults.status(500, headers=odd), answers.text("Second", headers=odd))
        heard = await stage.ask(stage.hanzo(Retry(attempts=2, base_delay=0)), stream=False)
        assert (heard.error, heard.text) == (None, "Second")


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("given", "bounds"),
        [
            ({"retry_after": 1}, (1, 1)),
            ({"retry_after": "0.5"}, (0.5, 0.5)),
            ({"headers": {"retry-after-ms": "250"}}, (0.25, 0.25)),
            ({"retry_after": NOW + timedelta(seconds=30)}, (30, 30)),
            ({"retry_after": NOW - timedelta(days=1)}, (0, 0)),
            ({"retry_after": ("2", "7")}, (0, 7)),
            *[({"retry_after": junk}, (0, 0)) for junk in ("-1", "nan", "inf", "-inf", "", "soon", "1e999", "٣")],
        ],
    )
    async def test_the_wait(self, stage, given, bounds):
        stage.server.script(faults.status(429, **given), "Second")
        heard = await stage.ask(stage.hanzo(Retry(attempts=2, base_delay=0)), stream=False)
        assert (heard.error, heard.text) == (None, "Second")
        (waited,) = stage.clock.slept
        assert bounds[0] <= waited <= bounds[1]

    @pytest.mark.parametrize("given", [3600, "1e308"])
    async def test_what_is_too_long_is_not_waited_for(self, stage, given):
        stage.server.script(faults.status(429, retry_after=given), repeat=True)
        heard = await stage.ask(stage.hanzo(Retry(attempts=3)), stream=False)
        assert isinstance(heard.error, openai.RateLimitError)
        assert (stage.server.hits, stage.clock.slept) == (1, [])

    async def test_it_falls_back_instead(self, stage):
        stage.server.model("m").script(faults.status(429, retry_after=3600), repeat=True)
        stage.server.model("spare").script("Spare")
        assert (await stage.ask(stage.hanzo(Retry(attempts=3), fallbacks=["spare"]), stream=False)).text == "Spare"
        assert (stage.server.hits, stage.clock.slept) == (2, [])

    async def test_the_runner_does_not_wait_for_it_either(self, stage):
        stage.server.script(faults.status(503, retry_after=3600), repeat=True)
        await stage.ask(stage.hanzo(Retry(attempts=3)), stream=False, settings=runner_retries(5))
        assert stage.server.hits == 1


class TestFallback:
    @MODES
    @pytest.mark.parametrize(
        "fault",
        [faults.status(500), faults.reset(), faults.html(), faults.cut_in_json(content=0), faults.error_in_200()],
        ids=["500", "reset", "HTML", "cut", "error in a 200"],
    )
    async def test_before_the_first_content(self, stage, stream, fault):
        stage.server.model("m").script(fault, repeat=True)
        stage.server.model("spare").script("Spare")
        assert (await stage.ask(stage.hanzo(fallbacks=["spare"]), stream=stream)).text == "Spare"
        assert stage.server.model("m").hits == 1

    async def test_never_after_it(self, stage):
        stage.server.model("m").script(faults.error_after_content())
        stage.server.model("spare").script("Spare")
        heard = await stage.ask(stage.hanzo(fallbacks=["spare"]), stream=True)
        assert heard.deltas == ["Hel"]
        assert stage.server.model("spare").hits == 0

    @MODES
    @pytest.mark.parametrize(("code", "reason"), [(401, None), (400, None), (400, "content_filter"), (422, None)])
    async def test_not_for_what_another_would_refuse_too(self, stage, stream, code, reason):
        stage.server.model("m").script(faults.status(code, error_code=reason))
        stage.server.model("spare").script("Spare")
        heard = await stage.ask(stage.hanzo(fallbacks=["spare"]), stream=stream)
        assert heard.error.status_code == code
        assert stage.server.model("spare").hits == 0

    @MODES
    async def test_for_a_context_that_overflowed(self, stage, stream):
        stage.server.model("m").script(faults.status(400, error_code="context_length_exceeded"))
        stage.server.model("spare").script("Spare")
        assert (await stage.ask(stage.hanzo(fallbacks=["spare"]), stream=stream)).text == "Spare"

    @MODES
    async def test_from_a_closed_port_to_another_server(self, stage, stream):
        """Row 7. The other server gets its own key, and nothing of the first."""
        stage.server.script("Spare")
        spare = Target("spare", base_url=stage.server.base_url, api_key="sk-of-the-spare")
        with faults.closed_port() as nowhere:
            provider = stage.hanzo(Fallback(to=[spare]), base_url=nowhere, headers={"x-of-the-first": "1"})
            assert (await stage.ask(provider, stream=stream)).text == "Spare"
        (request,) = stage.server.requests
        assert request.headers["authorization"] == "Bearer sk-of-the-spare"
        assert "x-of-the-first" not in request.headers
        assert request.model == "spare"

    async def test_a_chain_asks_each_target_once(self, stage):
        """Row 47."""
        stage.server.script(faults.status(500), repeat=True)
        heard = await stage.ask(
            stage.hanzo(fallbacks=["b", "m", "b", *(f"c{n}" for n in range(10))]), stream=False
        )
        assert isinstance(heard.error, AllProvidersFailed)
        asked = [request.model for request in stage.server.requests]
        assert asked == ["m", "b", *(f"c{n}" for n in range(10))]
        assert len(heard.error.failures) == len(asked)


async def test_a_bad_certificate_is_never_tried_again(stage):
    """Row 7."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with FaultServer(ssl=context) as untrusted:
        untrusted.script("never")
        provider = stage.hanzo(Retry(attempts=3, base_delay=0), base_url=untrusted.base_url)
        heard = await stage.ask(provider, stream=False)
        assert isinstance(heard.error, openai.APIConnectionError)
        assert "certificate" in f"{heard.error} {heard.error.__cause__}".lower()
        assert untrusted.hits == 0
        assert untrusted.connections <= 1


async def test_a_closed_port_is_tried_again_and_named(stage):
    with faults.closed_port() as nowhere:
        heard = await stage.ask(stage.hanzo(Retry(attempts=3), base_url=nowhere), stream=False)
    assert isinstance(heard.error, openai.APIConnectionError)
    assert len(stage.clock.slept) == 2


class TestStateful:
    """Row 46: what refers to the state of one server is asked of no other."""

    STATES = pytest.mark.parametrize(
        "state", [{"previous_response_id": "resp_1"}, {"conversation_id": "conv_1"}], ids=str
    )

    @MODES
    @STATES
    async def test_the_bare_sdk_drops_it_in_silence(self, stage, stream, state):
        stage.server.script("As if we had never met")
        assert (await stage.ask(stage.bare(), stream=stream, **state)).text == "As if we had never met"

    @MODES
    @STATES
    async def test_chat_refuses_it_before_anything_is_sent(self, stage, stream, state):
        heard = await stage.ask(stage.hanzo(), stream=stream, **state)
        assert isinstance(heard.error, UserError)
        assert next(iter(state)) in str(heard.error)
        assert stage.server.hits == 0

    @MODES
    @STATES
    async def test_responses_do_not_fall_back(self, stage, stream, state):
        stage.server.model("m", path="/v1/responses").script(faults.status(503), repeat=True)
        spare = stage.server.model("spare", path="/v1/responses").script("Spare", repeat=True)
        heard = await stage.ask(stage.hanzo(api="responses", fallbacks=["spare"]), stream=stream, **state)
        assert isinstance(heard.error, openai.InternalServerError)
        assert spare.hits == 0
        assert stage.server.requests[0].json.get("previous_response_id") == state.get("previous_response_id")

    @MODES
    async def test_stateless_responses_do(self, stage, stream):
        stage.server.model("m", path="/v1/responses").script(faults.status(503), repeat=True)
        stage.server.model("spare", path="/v1/responses").script(answers.text("Spare"))
        assert (await stage.ask(stage.hanzo(api="responses", fallbacks=["spare"]), stream=stream)).text == "Spare"
