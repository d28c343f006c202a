"""Every private name of `openai` and `agents` that the package uses is pinned by a contract test."""

import ast
import re
from pathlib import Path

import hanzo_agents

PACKAGE = Path(hanzo_agents.__file__).parent
SDKS = {"openai", "agents", "httpx2", "httpcore2"}
ELSEWHERE = {"testing", "node", "cli"}
"""Parts with tests of their own; they stand on no private name of the SDKs."""

IMPORTED = {
    "agents._tool_identity.resolve_tool_name_collisions",
    "agents.models._openai_retry.get_openai_retry_advice",
    "agents.models._retry_runtime.should_disable_provider_managed_retries",
    "agents.models._run_context.get_model_run_owner",
    "httpcore2._utils.is_socket_readable",
    "openai._constants.RAW_RESPONSE_HEADER",
    "openai._httpx2.is_httpx2_async_client",
    "openai._httpx2.request_exceptions",
    "openai._httpx2.timeout_exceptions",
    "openai._legacy_response.LegacyAPIResponse",
    "openai._models.FinalRequestOptions",
    "openai._models.add_request_id",
    "openai._streaming.SSEDecoder",
}
INTERNAL = {
    "agents.run_internal.turn_preparation.get_all_tools",
    "agents.run_internal.turn_preparation.get_handoffs",
    "agents.run_internal.turn_preparation.get_model",
    "agents.run_internal.turn_preparation.get_model_settings",
    "agents.run_internal.turn_preparation.get_output_schema",
    "agents.run_internal.turn_preparation.maybe_filter_model_input",
}
"""No underscore, and yet not promised: `run_internal` is the runner's own."""

TYPES_ONLY = {"openai._base_client.AsyncPaginator", "openai._types.SequenceNotStr"}
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
    "_pool",
    "_prepare_options",
    "_process_response",
    "_process_response_data",
    "_transport",
}

NAMEDTUPLE = {"_replace", "_asdict", "_fields", "_make"}
"""Public: the underscore keeps a named tuple's methods apart from its fields."""

SPELLED = {
    "_agent_instance", "_agent_ref", "_agent_tool_default_identity", "_default_tool_identity", "_emit_tool_origin",
    "_failure_error_function", "_is_agent_tool", "_is_codex_tool", "_mcp_annotations", "_mcp_title",
    "_mcp_tool_binding", "_output_type_adapter", "_prev_context_token", "_prev_span_token", "_tool_origin",
    "_use_default_failure_error_function",
}  # fmt: skip
"""Private names of the Agents SDK that are read by their spelling. Fields of tools and handoffs are pinned together,
by what `FunctionTool` and `Handoff` have."""
READ = {"_default_tool_identity", "_prev_context_token", "_prev_span_token"}


def trees(part="."):
    for path in (PACKAGE / part).rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] not in ELSEWHERE:
            yield ast.parse(path.read_text())


def contract_text():
    here = Path(__file__)
    return "".join(path.read_text() for path in here.parent.glob("test_*.py") if path != here)


def imported():
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in SDKS:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_private_import_is_registered():
    found = {name for name in imported() if any(part.startswith("_") for part in name.split("."))}
    assert found == IMPORTED | TYPES_ONLY


def test_every_import_from_the_runners_own_parts_is_registered():
    assert {name for name in imported() if "internal" in name} == INTERNAL


def test_every_private_name_that_is_spelled_out_is_registered():
    nodes = [node for tree in trees("_agents") for node in ast.walk(tree)]
    ours = {node.attr for node in nodes if isinstance(node, ast.Attribute)}  # in `__slots__`
    spelled = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert {name for name in spelled - ours if re.fullmatch(r"_[a-z]\w+", name)} == SPELLED


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
    assert used - ours - CALLED - NAMEDTUPLE == set(), (
        "a private name that nobody here defines, and no contract test pins"
    )
    assert used | ours >= CALLED, "registered, but used no more"


def test_every_registered_name_is_named_by_a_contract_test():
    text = contract_text()
    missing = {
        name.rpartition(".")[2]
        for name in IMPORTED | INTERNAL | CALLED | READ
        if name.rpartition(".")[2] not in text
    }
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
