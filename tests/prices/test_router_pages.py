"""What a router's pages say. The pages beside this file are recorded from the Hanzo router (see their README)."""

import json
from pathlib import Path

import pytest

from hanzo_agents import Price
from hanzo_agents.prices.pages import Listed, read_page
from hanzo_agents.prices.price import Tiered

RECORDED = Path(__file__).parent / "pages"
FREE = Price(input=0, output=0)


def recorded(name):
    return read_page(json.loads((RECORDED / f"{name}.json").read_text()))


def one(info=None, params=None, **more):
    """What is read of a page with one deployment."""
    page = {"data": [{"model_name": "m", "model_info": info or {}, "litellm_params": params or {}, **more}]}
    ((listed,),) = read_page(page).values()
    return listed


def costs(tokens_in, tokens_out, **more):
    return {"input_cost_per_token": tokens_in, "output_cost_per_token": tokens_out, **more}


@pytest.mark.parametrize(
    ("name", "price", "max_output"),
    [
        ("unpriced", None, None),
        ("free-info", FREE, None),
        ("free-params", FREE, None),
        ("priced", Price(input=1, output=2), 777),
        ("priced-params", Price(input=1, output=2), None),
        ("half", None, None),
        ("fast", Price(input="0.15", output="0.6", cached_input="0.075"), 16384),
        ("ollama-one", FREE, None),
        ("based", Price(input="2.5", output=10, cached_input="1.25"), 16384),
        ("groq/*", None, None),
    ],
)
def test_the_routers_page_as_recorded(name, price, max_output):
    (listed,) = recorded("model_info")[name]
    assert (listed.price, listed.max_output) == (price, max_output)


def test_a_model_served_by_two_deployments_is_listed_twice():
    cheap, dear = recorded("model_info")["twice"]
    assert (cheap.price.input, dear.price.input) == (Price(input="0.15", output=0).input, 2.5)


def test_prices_beyond_a_prompt_size_as_recorded():
    (listed,) = recorded("model_info")["claude"]
    assert listed.price == Tiered(
        (200_000,),
        (
            Price(input=3, output=15, cached_input="0.3", cache_write="3.75"),
            Price(input=6, output="22.5", cached_input="0.6", cache_write="7.5"),
        ),
    )


def test_the_names_that_the_upstream_goes_by():
    assert recorded("model_info")["based"][0].names == ("azure/my-deployment", "azure/gpt-4o")
    assert recorded("model_info")["unpriced"][0].names == ("openai/nobody-knows",)


@pytest.mark.parametrize(
    ("name", "price", "max_output"),
    [
        ("unpriced", None, None),
        ("free-info", None, None),  # this page says 0 of everything it does not know
        ("free-params", None, None),
        ("priced", Price(input=1, output=2), 777),
        ("half", None, None),
        ("fast", Price(input="0.15", output="0.6"), 16384),
        ("ollama-one", FREE, None),
        ("twice", Price(input="2.5", output=10), 16384),
    ],
)
def test_the_page_of_groups_as_recorded(name, price, max_output):
    (listed,) = recorded("model_group_info")[name]
    assert (listed.price, listed.max_output) == (price, max_output)


ZERO = costs(0, 0)


@pytest.mark.parametrize(
    ("info", "params", "free"),
    [
        (ZERO, {}, True),
        ({"id": "i", **ZERO, "key": "openai/x"}, {}, True),
        ({"key": "openai/x", **ZERO}, {}, False),
        (dict(sorted({"key": "openai/x", **ZERO}.items())), {}, False),  # a proxy that sorts what it passes on
        ({"input_cost_per_token": 0, "key": "openai/x", "output_cost_per_token": 0}, {}, False),
        ({"key": "openai/x", **ZERO}, ZERO, True),
        ({"key": "openai/x", **ZERO}, {"input_cost_per_token": 0}, False),
        ({**ZERO, "input_cost_per_second": 0.1}, {}, False),
        (ZERO, {**ZERO, "output_cost_per_image": 0.1}, False),
        ({}, {}, False),
        (costs(None, None), {}, False),
        ({"key": "ollama/x", **ZERO, "litellm_provider": "ollama"}, {}, True),
        ({}, {"model": "ollama_chat/llama3"}, True),
        ({}, {"model": "openai/llama3", "custom_llm_provider": "lm_studio"}, True),
        ({}, {"model": "ollama/gpt-oss:120b-cloud"}, False),
        ({}, {"model": "ollama"}, True),
        ({}, {"model": "openai/ollama"}, False),
    ],
)
def test_free_and_unknown_are_told_apart_as_far_as_the_page_shows(info, params, free):
    assert one(info, params).price == (FREE if free else None)


@pytest.mark.parametrize(
    ("info", "price"),
    [
        (costs(1e-6, 2e-6), Price(input=1, output=2)),
        (costs("0.000001", "2e-6"), Price(input=1, output=2)),
        ({"key": "k", **costs(1e-6, 0)}, None),
        ({"key": "k", **costs(0, 1e-6)}, None),
        ({"key": "k", **costs(1e-6, None)}, None),
        (costs(1e-6, 0), Price(input=1, output=0)),
        (costs(0, 1e-6), Price(input=0, output=1)),
        ({"key": "k", "mode": "embedding", **costs(1e-6, 0)}, Price(input=1, output=0)),
        ({"mode": "embedding", "input_cost_per_token": 1e-6}, Price(input=1, output=0)),
        (costs(-1e-6, 1e-6), None),
        (costs(float("nan"), 1e-6), None),
        (costs("free", 1e-6), None),
        (costs(True, True), None),
        (costs([1], {}), None),
        (costs(1e9, 1e9), None),
        (costs(1e-6, 2e-6, output_cost_per_reasoning_token=3e-6), Price(input=1, output=2, reasoning=3)),
        (
            costs(1e-6, 2e-6, input_cost_per_token_above_128k_tokens=4e-6, input_cost_per_token_above_1hr=9,
                  input_cost_per_token_above_200k_tokens=5e-6, output_cost_per_token_above_200k_tokens=6e-6,
                  input_cost_per_token_above_200k_tokens_priority=9),
            Tiered((128_000, 200_000), (
                Price(input=1, output=2), Price(input=4, output=2, cached_input=4, cache_write=4),
                Price(input=5, output=6),
            )),
        ),
    ],
)  # fmt: skip
def test_prices_and_what_is_none(info, price):
    assert one(info).price == price


@pytest.mark.parametrize(
    ("info", "limit"),
    [
        ({}, None),
        ({"max_output_tokens": 5, "max_tokens": 9}, 5),
        ({"max_output_tokens": None, "max_tokens": 9}, 9),
        ({"max_output_tokens": 16384.0}, 16384),
        ({"max_output_tokens": 0}, None),
        ({"max_output_tokens": -1}, None),
        ({"max_output_tokens": "9"}, None),
        ({"max_output_tokens": True}, None),
        ({"max_output_tokens": float("inf")}, None),
        ({"max_output_tokens": float("nan")}, None),
    ],
)
def test_limits_and_what_is_none(info, limit):
    assert one(info).max_output == limit


def test_a_list_of_models_with_prices_as_openrouter_writes_it():
    page = read_page(
        {
            "data": [
                {
                    "id": "a/b",
                    "pricing": {
                        "prompt": "0.000003", "completion": "0.000015", "request": "0.01",
                        "input_cache_read": "0.0000003", "input_cache_write": "0.00000375",
                    },
                    "top_provider": {"max_completion_tokens": 8000},
                },
                {"id": "a/b:free", "pricing": {"prompt": "0", "completion": "0"}},
                {"id": "auto", "pricing": {"prompt": "-1", "completion": "-1"}},
                {"id": "plain", "object": "model"},
                {"object": "model"},
            ]
        }
    )  # fmt: skip
    full = Price(input=3, output=15, cached_input="0.3", cache_write="3.75", per_request="0.01")
    assert page == {
        "a/b": [Listed(full, 8000)],
        "a/b:free": [Listed(FREE)],
        "auto": [Listed(None)],
        "plain": [Listed(None)],
    }


def test_a_providers_own_list_says_nothing_of_prices():
    assert read_page({"data": [{"id": "gpt-4o", "object": "model", "owned_by": "system"}]}) == {}


def test_a_router_of_one_model_lists_it_bare():
    assert read_page({"data": {"model_name": "*", "model_info": costs(1e-6, 1e-6)}}).keys() == {"*"}
    assert read_page({"data": []}) == {}


@pytest.mark.parametrize(
    "page", [None, [], {}, "page", {"data": None}, {"data": "x"}, {"data": [1]}, {"error": {}}]
)
def test_what_is_no_page_is_an_error(page):
    with pytest.raises(ValueError, match="not a page"):
        read_page(page)


@pytest.mark.parametrize(
    "entry",
    [
        {"model_name": "m"},
        {"model_name": "m", "model_info": None, "litellm_params": None},
        {"model_name": "m", "model_info": [], "litellm_params": "x"},
        {"model_name": "m", "litellm_params": {"model": 5, "custom_llm_provider": 7}},
        {"model_group": "m"},
        {"model_group": "m", "providers": [None, 5]},
        {"id": "m", "pricing": [], "top_provider": 7},
    ],
)
def test_an_entry_of_a_strange_shape_is_a_model_without_a_price(entry):
    assert read_page({"data": [entry]})["m"][0].price is None


@pytest.mark.parametrize("name", [None, 5, "", ["m"]])
def test_an_entry_without_a_name_is_passed_over(name):
    assert read_page({"data": [{"model_name": name}]}) == {}
