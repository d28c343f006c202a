"""POST /v1/embeddings, and the two small GETs."""

from __future__ import annotations

import math

import openai
import pytest


def test_one_vector_for_each_input_in_order(client, model):
    texts = ["The cat sleeps on the sofa.", "Stock prices fell sharply."]
    both = client.embeddings.create(model=model, input=texts, encoding_format="float")
    second = client.embeddings.create(model=model, input=texts[1], encoding_format="float")
    assert [item.index for item in both.data] == [0, 1]
    assert math.hypot(*both.data[0].embedding) == pytest.approx(1, abs=1e-3)
    assert both.data[1].embedding == pytest.approx(second.data[0].embedding, abs=1e-2)
    assert both.usage.prompt_tokens > second.usage.prompt_tokens > 0


def test_base64_is_the_same_vector(client, model):
    plain = client.embeddings.create(model=model, input="hello", encoding_format="float")
    packed = client.embeddings.create(model=model, input="hello")  # the client asks for base64 and unpacks it
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)


def test_what_cannot_be_embedded_is_refused(client, model):
    for extra in ({"input": ""}, {"input": []}, {"input": "x", "dimensions": 8}, {"input": "word " * 3000}):
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model=model, **extra)


def test_models_and_health(client, model):
    (found,) = client.models.list().data
    assert found.id == model == "smollm2-135m-instruct"
    assert found.context_length == 2048
    assert 130_000_000 < found.parameters < 140_000_000
    assert client.models.retrieve(model).id == model
    root = str(client.base_url).removesuffix("v1/")
    assert client.get(f"{root}health", cast_to=object) == {"status": "ok"}
