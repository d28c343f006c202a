"""What is reserved bounds what is sent, however its limits and its input are spelled."""

import json
from decimal import Decimal

import pytest
from agents import ModelSettings, ModelTracing
from calls import PlainView, make_call
from payments import Upstream as Paid
from payments import asks, budget
from upstream import HELLO, Upstream, completion, response

from hanzo_agents import Budget, MemoryStore, Price, Target
from hanzo_agents._agents.view import ModelView
from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents._wire.dialects.embeddings import EMBEDDINGS
from hanzo_agents._wire.dialects.responses import RESPONSES
from hanzo_agents.errors import BudgetExceeded, ConfigError
from hanzo_agents.policies.budget.quote import quote, tokens_foretold, tokens_in

PRICES = {"m": Price(input=1, output=10)}


def client_of(upstream, **limits):
    return upstream.client(policies=[Budget(**limits, prices=PRICES, store=MemoryStore())])


async def sent(limits, **fields):
    """The body that goes out, of a chat call under a limit of 10 cents."""
    upstream = Upstream(completion(usage=(10, 10)))
    client = client_of(upstream, daily=limits)
    await client.chat.completions.create(model="m", messages=[HELLO], **fields)
    return json.loads(upstream.requests[0].content)


class TestTheLimitOfTheAnswer:
    @pytest.mark.parametrize("junk", [-1, -1_000_000, 0, "-1", float("-5")])
    async def test_what_is_no_limit_is_replaced_by_the_budgets_own(self, junk):
        body = await sent("0.1", max_tokens=junk)
        assert body["max_tokens"] == 4096
        both = await sent("0.1", max_tokens=junk, max_completion_tokens=10)
        assert (both["max_tokens"], both["max_completion_tokens"]) == (4096, 10)

    @pytest.mark.parametrize("junk", ["many", [], {}])
    async def test_what_is_no_number_is_refused_by_name_before_anything_is_sent(self, junk):
        upstream = Upstream()
        with pytest.raises(ConfigError, match=r"^max_tokens: expected a number of tokens, got "):
            await client_of(upstream, daily="0.1").chat.completions.create(
                model="m", messages=[HELLO], max_tokens=junk
            )
        with pytest.raises(ConfigError, match=r"^max_output_tokens: expected a number of tokens, got "):
            await client_of(upstream, daily="0.1").responses.create(model="m", input="Hi", max_output_tokens=junk)
        assert upstream.requests == []

    async def test_of_the_responses_api_too(self):
        upstream = Upstream(response())
        await client_of(upstream, daily="0.1").responses.create(model="m", input="Hi", max_output_tokens=-1)
        assert json.loads(upstream.requests[0].content)["max_output_tokens"] == 4096

    @pytest.mark.parametrize(
        "fields",
        [
            {"max_tokens": 100_000, "max_completion_tokens": 10},
            {"max_tokens": 10, "max_completion_tokens": 100_000},
            {"max_tokens": "100000"},
            {"max_tokens": 1e5},
            {"n": 50},
            {"n": "50"},
            {"n": 50.0},
            {"max_tokens": 10, "extra_body": {"max_tokens": 100_000}},
        ],
        ids=str,
    )
    async def test_the_largest_answer_that_is_asked_for_is_reserved(self, fields):
        upstream = Upstream()
        with pytest.raises(BudgetExceeded):
            await client_of(upstream, daily="0.1").chat.completions.create(model="m", messages=[HELLO], **fields)
        assert not upstream.requests

    async def test_shrinking_makes_every_limit_smaller_and_none_larger(self):
        upstream = Upstream(completion(usage=(10, 10)))
        policy = Budget(daily="0.1", prices=PRICES, store=MemoryStore(), on_shortage=["shrink"])
        await upstream.client(policies=[policy]).chat.completions.create(
            model="m", messages=[HELLO], max_tokens=100_000, max_completion_tokens=10
        )
        body = json.loads(upstream.requests[0].content)
        assert body["max_completion_tokens"] == 10
        assert 9_000 < body["max_tokens"] < 10_000

    async def test_a_view_that_says_less_than_nothing_reserves_the_budgets_own_bound(self):
        policy, upstream = budget(daily=10), Paid()
        await policy(asks(view=PlainView(text="", max_output=-7)), upstream)
        assert upstream.calls[0].view.max_output == 4096

    @pytest.mark.parametrize(("tokens", "choices"), [(-1_000_000, 1), (10, -5), (-1, -1), (10, 0)])
    def test_a_quote_is_never_below_the_price_of_its_input(self, tokens, choices):
        price = Price(input=1, output=10)
        assert quote(price, 100, tokens, choices).amount >= price.most(100, 0)
        assert quote(price, -100, 10).amount >= 0


def model_view(**settings):
    return ModelView(None, "Hi", ModelSettings(**settings), [], None, [], ModelTracing.DISABLED)


class TestTheModelSeam:
    def test_what_is_attached_counts_as_what_the_sdk_names(self):
        view = model_view(max_tokens=10, extra_body={"max_tokens": 100_000}, extra_args={"n": 50})
        assert (view.max_output, view.choices) == (100_000, 50)
        assert model_view(max_tokens=-1).max_output is None
        smaller = view.with_max_output(300).model_settings
        assert (smaller.max_tokens, smaller.extra_body, smaller.extra_args) == (10, {"max_tokens": 300}, {"n": 50})

    def test_attachments_and_predictions_are_input(self):
        view = model_view(extra_body={"prediction": {"type": "content", "content": "y" * 3000}})
        assert tokens_in(view) > 1000
        assert tokens_foretold(view) > 1000


LONG = "x " * 30_000
SCHEMA = {
    "type": "object",
    "properties": {f"p{i}": {"type": "string", "description": LONG[:60]} for i in range(900)},
}
ASK = {"role": "user", "content": "Hi"}


class TestInput:
    @pytest.mark.parametrize(
        "view",
        [
            CHAT.view({"messages": [ASK], "functions": [{"name": "f", "parameters": SCHEMA}]}),
            CHAT.view({"messages": [ASK], "tools": [{"type": "function", "function": {"parameters": SCHEMA}}]}),
            CHAT.view({"messages": [{"role": "assistant", "content": "a", "reasoning_content": LONG}, ASK]}),
            CHAT.view({"messages": [{"role": "assistant", "function_call": {"arguments": LONG}}]}),
            CHAT.view({"messages": [ASK], "something_new": {"of": [LONG]}}),
            RESPONSES.view({"input": [{"type": "function_call_output", "output": [{"type": "input_text", "text": LONG}]}]}),
            RESPONSES.view({"input": [{"type": "something_new", "of": {"it": LONG}}]}),
            RESPONSES.view({"input": "Hi", "prompt": {"id": "p", "variables": {"v": LONG}}}),
            EMBEDDINGS.view({"input": [LONG[:30_000], LONG[:30_000]]}),
        ],
        ids=["functions", "tools", "reasoning", "call", "new", "output", "item", "prompt", "embeddings"],
    )  # fmt: skip
    def test_all_that_is_sent_counts_known_or_not(self, view):
        assert 20_000 <= tokens_in(view) < 45_000

    def test_it_counts_the_same_encoded_or_not(self):
        body = {"model": "m", "messages": [{"role": "user", "content": "é " * 3000}]}
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        assert tokens_in(CHAT.view(body)) == tokens_in(CHAT.view(body, content)) >= 3000

    def test_labels_are_no_input(self):
        body = {"messages": [ASK]}
        assert tokens_in(CHAT.view({**body, "metadata": {"note": LONG}})) < tokens_in(CHAT.view(body)) + 10

    @pytest.mark.parametrize(
        "part",
        [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 300_000}},
            {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 300_000},
            {"type": "image", "source": {"type": "base64", "data": "A" * 300_000}},
        ],
        ids=lambda part: part["type"],
    )
    def test_an_image_counts_as_one_wherever_it_is(self, part):
        places = [
            CHAT.view({"messages": [{"role": "user", "content": [part]}]}),
            CHAT.view({"messages": [{"role": "tool", "tool_call_id": "c", "content": [part]}]}),
            RESPONSES.view({"input": [{"type": "function_call_output", "call_id": "c", "output": [part]}]}),
        ]
        assert all(2_000 <= tokens_in(view) < 2_100 for view in places)

    def test_so_do_screenshots_and_images_that_were_made(self):
        shot = {"type": "computer_screenshot", "image_url": "data:image/png;base64,AAAA"}
        made = {"type": "image_generation_call", "id": "i", "result": "A" * 300_000}
        view = RESPONSES.view({"input": [{"type": "computer_call_output", "call_id": "c", "output": shot}, made]})
        assert 4_000 <= tokens_in(view) < 4_100

    @pytest.mark.parametrize(("form", "tokens"), [("mp3", 20_000), ("wav", 2_000), (None, 20_000)])
    def test_a_sound_counts_by_its_length(self, form, tokens):
        part = {"type": "input_audio", "input_audio": {"data": "A" * 600_000, "format": form}}
        assert tokens <= tokens_in(CHAT.view({"messages": [{"role": "user", "content": [part]}]})) < tokens + 100

    def test_what_only_looks_like_a_part_is_counted_as_what_it_is(self):
        schema = {"type": ["string", "null"], "format": ["wav"], "input_audio": {"format": []}, "of": LONG}
        view = RESPONSES.view({"input": [{"type": "mcp_list_tools", "tools": [{"input_schema": schema}]}]})
        assert 20_000 <= tokens_in(view) < 20_100

    def test_text_beside_an_image_is_not_lost(self):
        part = {"type": "image_url", "image_url": {"url": "https://x.test/i.png"}, "text": LONG}
        assert tokens_in(CHAT.view({"messages": [{"role": "user", "content": [part]}]})) >= 20_000

    async def test_a_prediction_may_be_billed_as_output(self):
        upstream = Upstream()
        prediction = {"type": "content", "content": "y " * 100_000}
        with pytest.raises(BudgetExceeded):
            await client_of(upstream, daily="0.1").chat.completions.create(
                model="m", messages=[HELLO], max_tokens=10, prediction=prediction
            )

    async def test_what_a_provider_remembers_counts_as_the_whole_window_where_that_is_known(self):
        policy = budget(daily="0.1", prices=PRICES)
        view = RESPONSES.view({"model": "m", "input": "Hi", "previous_response_id": "r", "max_output_tokens": 10})
        with pytest.raises(BudgetExceeded, match=r"may cost \$0.4001"):
            await policy(make_call(Target("m", context_window=400_000), view=view), Paid())
        await policy(make_call("m", view=view), paid := Paid(cost="0.02"))
        assert len(paid.calls) == 1
        assert Decimal("0.02") == paid.calls[0].journal.cost.amount
