"""Every example runs as its reader would run it: on the embedded node, or before the router when one is configured."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hanzo_agents.testing.scripted import ScriptedRouter

EXAMPLES = Path(__file__).parents[2] / "examples"

# What an example must print whatever the model says: it is matched with `re.search`.
ESSENTIAL = {
    "agent_as_server.py": r"\Aweather_expert: Answers questions about the weather\.\n\S",
    "basic.py": r"\S",
    "breaker.py": (
        r"\Aasked gpt-4, then the spare: \S(.|\n)*hanzo_agents: Breaker: the circuit of gpt-4 opens: 2 failures in a row\n"
        r"asked gpt-4, then the spare: \S(.|\n)*asked the spare: \S(.|\n)* gpt-4: open, a probe may go in \d\d s\n\Z"
    ),
    "budget.py": (
        r"\A\S(.|\n)*\nspent \$0, left \$0\.050000000, by agent \['Assistant'\]\n"  # the node says that it is free
        r"refused: per_run budget of \$0\.0001: \$0 spent; this call to \S+ may cost \$0\.\d+\n\Z"
    ),
    "cache.py": (
        r"\A\S(.|\n)*\nthe same each time: True\n"
        r"asked \$0\S*\nfrom the cache \$0\nfrom the cache \$0\n2 hits saved [1-9]\d* tokens\n\Z"
    ),
    "compare.py": (
        r"\Asmollm2-135m-instruct \(ok, \d+ tokens, \$0\): \S(.|\n)*\nfastest: smollm2-135m-instruct, all together: \$0\n"
        r"\S(.|\n)*\n\[smollm2-135m-instruct is done\]\n\Z"
    ),
    "ensemble.py": (
        r"\Achat to smollm2-135m-instruct\n(.|\n)*  Blend +asks: (.|\n)*\nBlend asks: smollm2-135m-instruct \(self_moa\)\n"
        r"Blend synthesizes: smollm2-135m-instruct (.|\n)*\n3 requests\n\S"
    ),
    "fallback_chain.py": (
        r"\Agpt-of-tomorrow: NotFoundError\n"
        r"gpt-4@127\.0\.0\.1:9: APIConnectionError\n"
        r"smollm2-135m-instruct: answered\n\S"
    ),
    "foreign_model_in_a_chain.py": r"Fallback moves on: ScriptedModel failed: ConnectionError\n\S",
    "handoffs.py": r"\A(Weather|Maths) expert: \S",
    "hanzo_backend_example.py": (
        r"(?s)\AUsing http://127\.0\.0\.1:\d+/v1/\n"
        r".*=== Basic Agent ===\nResponse: \S"
        r".*=== Agent with Tools ===\nexplain_error\(\d+\)\nResponse: \S"
        r".*=== Two Models ===\nsmollm2-135m-instruct: \S.*\nsmollm2-135m-instruct: \S"
    ),
    "hanzo_client.py": (
        r"\A\S+: at most \$\d+\.\d{4}\n(.|\n)*from the cache: False\n(.|\n)*from the cache: True\n"
        r"2 calls, 50% cached, \$\d+\.\d\d\n\Z"
    ),
    "hedge.py": (
        r"\Achat to \S+\n(.|\n)*  Hedge +asks a second target: (.|\n)*"
        r"leg 1: (answered\nleg 2: left|left\nleg 2: answered|answered)\n\S"
    ),
    "mcp_agent.py": r"\Athe server said: It is sunny and 24 degrees in .+\n\S",
    "mcp_chat.py": r"\Aby hand: It is sunny and 24 degrees in .+\nafter [2-4] turns: \S",
    "metrics.py": (
        r"WARNING hanzo_agents\.decisions: Fallback moves on: gpt-of-tomorrow failed: NotFoundError\n"
        r'hanzo_requests_total\{operation="chat",outcome="ok",target="gpt-of-tomorrow"\} 1\.0\n'
        r'(.|\n)*hanzo_tokens_total\{basis="reported",kind="output",model="smollm2-135m-instruct",.*\} [1-9]'
    ),
    "rate_limit.py": r"(?m)^Hanoi: not now, but in \d+ s$(.|\n)*\n4 of 4 requests in the last minute, this object\n\Z",
    "semantic_cache.py": (
        r"\AWhat is the capital of France\? -> (.|\n)*\n   asked\nHi! .* -> .*\n   hit: a question like it was answered \d+ s ago"
        r"(.|\n)*\n   tells apart: names differ\n1 hit, 2 misses, 1 told apart, state: serving\n\Z"
    ),
    "routing.py": (
        r"\AWhat is the capital of Peru\?\n  complexity 0\.\d+ (.|\n)*  smollm2-135m-instruct by balanced: (.|\n)*"
        r"  gpt-4o by balanced: (.|\n)*\nsmollm2-135m-instruct answered, not \['gpt-4o'\]: \S(.|\n)*\n\['email at 9'\]\n\Z"
    ),
    "streaming.py": r"\A\S[^\n]+\S(.|\n)*\n\nsmollm2-135m-instruct: first token after \d+\.\d\d s, Usage\(input_tokens=\d+",
    "structured_output.py": r"\Aname: .+\nage:  -?\d+\ncity: .+\n\Z",
    "tools.py": r"\Aget_weather\('.+'\)\n\S",
}


def run(name, **env):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], capture_output=True, text=True, env={**os.environ, **env}, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_example_is_run():
    # Those of a service run where there is one: in tests/llmwise and tests/vectorcache.
    names = {path.name for path in EXAMPLES.glob("*.py") if not path.name.startswith(("llmwise_", "vectorcache_"))}
    assert names == set(ESSENTIAL)


@pytest.mark.parametrize("name", ESSENTIAL)
def test_an_example_is_explained_and_can_be_imported(name):
    tree = ast.parse((EXAMPLES / name).read_text())
    assert ast.get_docstring(tree)
    assert isinstance(tree.body[-1], ast.If)
    assert ast.unparse(tree.body[-1].test) == "__name__ == '__main__'"


@pytest.mark.node
@pytest.mark.parametrize("name", ESSENTIAL)
def test_on_the_embedded_node(name):
    printed = run(name)
    assert re.search(ESSENTIAL[name], printed), printed


def test_before_a_router():
    with ScriptedRouter(["Four."]) as router:
        printed = run("basic.py", HANZO_ROUTER_URL=router.base_url, HANZO_API_KEY="k", HANZO_MODEL="zen-1")
        assert printed == "Four.\n"
        assert router.requests[0].model == "zen-1"
