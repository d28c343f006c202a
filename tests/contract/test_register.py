"""Every private name of `openai` and `agents` that the package uses is pinned by a contract test."""

import ast
from pathlib import Path

import hanzo_agents

PACKAGE = Path(hanzo_agents.__file__).parent
ELSEWHERE = {"testing", "node", "cli"}
"""Parts with tests of their own; they stand on no private name of the SDKs."""

IMPORTED = {
    "agents.models._openai_retry.get_openai_retry_advice",
    "agents.models._retry_runtime.should_disable_provider_managed_retries",
    "openai._constants.RAW_RESPONSE_HEADER",
    "openai._httpx2.is_httpx2_async_client",
    "openai._httpx2.request_exceptions",
    "openai._httpx2.timeout_exceptions",
    "openai._legacy_response.LegacyAPIResponse",
    "openai._models.FinalRequestOptions",
    "openai._models.add_request_id",
    "openai._streaming.SSEDecoder",
}
TYPES_ONLY = {"openai._types.SequenceNotStr"}
"""Used in annotations: an upgrade that moves it fails the type check, not a user."""

CALLED = {
    "_ambient_authorizations",
    "_api_key_provider",
    "_base_url",
    "_build_request",
    "_cleanup_on_run_end",
    "_client",
    "_custom_headers",
    "_fetch_response",
    "_make_status_error_from_response",
    "_maybe_override_cast_to",
    "_parsed_by_type",
    "_prepare_options",
    "_process_response",
    "_process_response_data",
    "_transport",
}


def trees():
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] not in ELSEWHERE:
            yield ast.parse(path.read_text())


def contract_text():
    here = Path(__file__)
    return "".join(path.read_text() for path in here.parent.glob("test_*.py") if path != here)


def test_every_private_import_is_registered():
    found = {
        f"{node.module}.{alias.name}"
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").partition(".")[0] in {"openai", "agents", "httpx2"}
        for alias in node.names
        if any(part.startswith("_") for part in f"{node.module}.{alias.name}".split("."))
    }
    assert found == IMPORTED | TYPES_ONLY


def test_every_private_attribute_is_ours_or_registered():
    ours, used = set(), set()
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                ours.add(node.name)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                ours.add(node.target.id)
            elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                (ours if isinstance(node.ctx, ast.Store) else used).add(node.attr)
    assert used - ours - CALLED == set(), "a private name that nobody here defines, and no contract test pins"
    assert used | ours >= CALLED, "registered, but used no more"


def test_every_registered_name_is_named_by_a_contract_test():
    text = contract_text()
    missing = {name.rpartition(".")[2] for name in IMPORTED | CALLED if name.rpartition(".")[2] not in text}
    assert missing <= {"_base_url", "_client"}


def test_every_sdk_method_that_we_override_is_there_to_be_overridden():
    """A method of ours that overrides nothing any more would silently never be called."""
    from agents import Model, ModelProvider, OpenAIChatCompletionsModel, OpenAIResponsesModel
    from openai import AsyncOpenAI, AsyncStream
    from openai.resources.chat import AsyncChat
    from openai.resources.chat.completions import AsyncCompletions
    from openai.resources.responses import AsyncResponses

    overridden = {
        AsyncOpenAI: [
            "request",
            "copy",
            "with_options",
            "user_agent",
            "chat",
            "responses",
            "realtime",
            "close",
            "is_closed",
        ],
        AsyncStream: ["__anext__", "__aiter__", "close", "__aenter__", "__aexit__"],
        AsyncChat: ["completions"],
        AsyncCompletions: ["create", "parse", "stream"],
        AsyncResponses: ["create", "parse", "stream", "connect"],
        OpenAIChatCompletionsModel: ["_fetch_response", "get_retry_advice"],
        OpenAIResponsesModel: ["_fetch_response", "get_retry_advice"],
        Model: ["get_response", "stream_response", "get_retry_advice", "close", "_cleanup_on_run_end"],
        ModelProvider: ["get_model", "aclose"],
    }
    for owner, names in overridden.items():
        for name in names:
            assert hasattr(owner, name), f"{owner.__name__}.{name}"
