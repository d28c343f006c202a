"""What a client gets for a request that cannot be served."""

from __future__ import annotations

import openai
import pytest

IMAGE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
USER = [{"role": "user", "content": "Hi"}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_an_unknown_model_is_404_and_names_what_is_there(client, model):
    for call in (
        lambda: client.chat.completions.create(model="gpt-9", messages=USER),
        lambda: client.responses.create(model="gpt-9", input="Hi"),
        lambda: client.embeddings.create(model="gpt-9", input="Hi"),
        lambda: client.models.retrieve("gpt-9"),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            call()
        assert model in caught.value.message
        assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model"),
        ({"model": "MODEL"}, "messages"),
        ({"model": "MODEL", "messages": []}, "messages"),
        ({"model": "MODEL", "messages": "Hi"}, "messages"),
        ({"model": "MODEL", "messages": [{"role": "king", "content": "Hi"}]}, "messages[0].role"),
        ({"model": "MODEL", "messages": [{"role": "user"}]}, "messages[0].content"),
        ({"model": "MODEL", "messages": [{"role": "user", "content": IMAGE}]}, "messages[0].content[0]"),
        ({"model": "MODEL", "messages": [{"role": "tool", "content": "1", "tool_call_id": "x"}]}, "messages[0]"),
        ({"model": "MODEL", "messages": [*USER, {"role": "assistant", "tool_calls": [CALL]}]}, "messages"),
        ({"model": "MODEL", "messages": USER, "temperature": "hot"}, "temperature"),
        ({"model": "MODEL", "messages": USER, "temperature": 3}, "temperature"),
        ({"model": "MODEL", "messages": USER, "max_tokens": 0}, "max_tokens"),
        ({"model": "MODEL", "messages": USER, "n": 99}, "n"),
        ({"model": "MODEL", "messages": USER, "top_logprobs": 2}, "top_logprobs"),
        ({"model": "MODEL", "messages": USER, "modalities": ["audio"]}, "modalities"),
        ({"model": "MODEL", "messages": USER, "functions": [{"name": "f"}]}, "functions"),
        ({"model": "MODEL", "messages": USER, "tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"model": "MODEL", "messages": USER, "tools": [{"type": "function"}]}, "tools[0].function.name"),
        ({"model": "MODEL", "messages": USER, "tool_choice": "required"}, "tool_choice"),
        ({"model": "MODEL", "messages": USER, "tool_choice": "perhaps"}, "tool_choice"),
        ({"model": "MODEL", "messages": USER, "response_format": {"type": "xml"}}, "response_format"),
    ],
)
def test_a_bad_chat_request_is_400_and_names_the_field(client, model, body, param):
    body = {key: model if value == "MODEL" else value for key, value in body.items()}
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"include": ["message.output_text.logprobs"]}, "top_logprobs"),
    ],
)
def test_a_bad_responses_request_is_400_and_names_the_field(client, model, extra, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/responses", body={"model": model, "input": "Hi", **extra}, cast_to=object)
    assert caught.value.param == param


def test_a_prompt_beyond_the_context_is_400_with_its_code_also_when_streamed(client, model):
    long = [{"role": "user", "content": "word " * 3000}]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=model, messages=long, stream=stream)
        assert caught.value.code == "context_length_exceeded"
        assert "2048" in caught.value.message


def test_a_body_that_is_no_json_object(client, node):
    for content in (b"{", b"[]", b""):
        with pytest.raises(openai.BadRequestError):
            client.post("/chat/completions", content=content, cast_to=object)


def test_other_paths_and_methods_answer_in_the_same_shape(client):
    with pytest.raises(openai.NotFoundError) as missing:
        client.get("/nowhere", cast_to=object)
    assert "/v1/nowhere" in missing.value.message
    with pytest.raises(openai.APIStatusError) as method:
        client.get("/chat/completions", cast_to=object)
    assert method.value.status_code == 405


def test_a_foreign_host_name_is_refused(client):
    with pytest.raises(openai.BadRequestError):
        client.get("/models", cast_to=object, options={"headers": {"host": "evil.example"}})
