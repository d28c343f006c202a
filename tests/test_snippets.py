"""What the README and the docs show is run.

Every ```python block is a script of its own, and may `await` at its top level. It finds a router in the environment that
answers every question; one that defines tests is run by pytest. A comment on the line above changes that:

    <!-- snippet: continues -->              it goes on where the block before it in the page ended
    <!-- snippet: answers {"city": "Rome"} -->   the router's answer, where the code needs a certain one
    <!-- snippet: skip, because ... -->      it is not run

Shell blocks are parsed, the files and `hanzo-agents` commands and options they name must exist; they are not run.
"""

import ast
import asyncio
import functools
import importlib.util
import inspect
import logging
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from hanzo_agents.observe.exposition import Page
from hanzo_agents.policies import trace
from hanzo_agents.testing._answers import embeddings, json, models, text
from hanzo_agents.testing._server import WireServer

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MOST_SKIPS = 3
GROUPS = ("mcp",)  # commands that have commands
BLOCK = re.compile(
    r"^(?P<indent> *)(?:<!-- snippet: (?P<mark>.+?) -->\n+ *)?```(?P<language>\w+)\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Snippet:
    page: Path
    line: int
    language: str
    code: str
    mark: str

    @property
    def name(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def snippets(*languages):
    found = []
    for page in PAGES:
        content = page.read_text()
        for match in BLOCK.finditer(content):
            if match["language"] in languages:
                indent = match["indent"]
                code = re.sub(f"^{indent}", "", match["code"], flags=re.MULTILINE)
                line = content.count("\n", 0, match.start("code")) + 1
                found.append(Snippet(page, line, match["language"], code, match["mark"] or ""))
    return found


def scripts():
    """Each block with those it continues, first to last."""
    chains: list[list[Snippet]] = []
    for snippet in snippets("python"):
        before = chains[-1] if snippet.mark == "continues" else []
        assert all(earlier.page == snippet.page for earlier in before), f"{snippet.name} continues nothing"
        chains.append([*before, snippet])
    return [pytest.param(chain, id=chain[-1].name) for chain in chains]


def _llmwise():
    """LLMWise, as the tests of its client know it."""
    path = ROOT / "tests" / "llmwise" / "llmwise_server.py"
    spec = importlib.util.spec_from_file_location("llmwise_of_the_docs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.LLMWiseServer()


LLMWISE = _llmwise()


class AnswersEverything(WireServer):
    """A router that knows every model, and says the same whatever it is asked."""

    says = "Hello!"

    def _reply_to(self, request):
        if request.path.startswith("/api/v1/"):
            return LLMWISE._reply_to(request)
        if request.path.endswith("/models"):
            return models("zen-1", "zen-1-mini")
        if request.path.endswith("/embeddings"):
            asked = request.json["input"]
            return embeddings(*([0.6, 0.8] for _ in ([asked] if isinstance(asked, str) else asked)))
        if request.path.endswith("/cache/query"):
            return self._cached(request)
        return text(self.says)

    def _cached(self, request):
        """As a Vectorcache: what was asked before in other words is a hit."""
        prompts = [one.json["prompt"] for one in self.requests[:-1] if one.path == request.path]
        hit = any(set(prompt.split()) & set(request.json["prompt"].split()) for prompt in prompts)
        told = {"cache_hit": hit, "similarity_score": 0.93 if hit else None, "cost_saved": 0.0035 if hit else 0}
        return json({**told, "response": self.says, "llm_provider": "cache" if hit else "openai"})


@pytest.fixture
def router(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "HANZO_"))]:
        monkeypatch.delenv(name)
    with AnswersEverything() as server:
        monkeypatch.setenv("HANZO_ROUTER_URL", server.base_url)
        monkeypatch.setenv("HANZO_API_KEY", "sk-docs")
        monkeypatch.setenv("HANZO_MODEL", "zen-1")
        monkeypatch.setenv("LLMWISE_BASE_URL", server.url)
        monkeypatch.setenv("LLMWISE_API_KEY", "mm_sk_docs")
        monkeypatch.setenv("VECTORCACHE_BASE_URL", server.url)
        monkeypatch.setenv("VECTORCACHE_API_KEY", "vc_docs")
        monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{ROOT / '.venv-mcp' / 'bin'}")  # MCP servers
        monkeypatch.chdir(tmp_path)
        yield server


@pytest.fixture(autouse=True)
def _nobody_goes_on_watching(monkeypatch):
    """A page turns on what a program keeps: observers and handlers of the process. The next page finds none."""
    monkeypatch.setattr(trace, "_watching", ())
    loggers = [(logger, logger.level) for logger in (logging.getLogger(), logging.getLogger("hanzo_agents"))]
    for logger, _ in loggers:
        monkeypatch.setattr(logger, "handlers", [*logger.handlers])
    yield
    for logger, level in loggers:
        logger.setLevel(level)
    for page in [page for page in REGISTRY._collector_to_names if isinstance(page, Page)]:
        REGISTRY.unregister(page)


def execute(snippet, namespace):
    """Run a block so that a traceback names the page and its line."""
    code = compile(
        "\n" * (snippet.line - 1) + snippet.code,
        str(snippet.page),
        "exec",
        flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
        dont_inherit=True,
    )
    awaitable = eval(code, namespace)
    if inspect.iscoroutine(awaitable):
        asyncio.run(awaitable)


def defines_tests(snippet):
    return re.search(r"^(async )?def test_", snippet.code, re.MULTILINE)


@pytest.mark.parametrize("chain", scripts())
def test_python(chain, router, tmp_path):
    last = chain[-1]
    if last.mark.startswith("skip"):
        pytest.skip(last.mark)
    if defines_tests(last):
        (tmp_path / "test_snippet.py").write_text("\n\n".join(snippet.code for snippet in chain))
        command = [sys.executable, "-m", "pytest", "-q", "--asyncio-mode=auto", "test_snippet.py"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout
        return
    namespace = {"__name__": "__main__"}
    for snippet in chain:
        router.says = snippet.mark.removeprefix("answers ") if snippet.mark.startswith("answers ") else "Hello!"
        execute(snippet, namespace)


def test_every_mark_means_something():
    marks = [snippet.mark for snippet in snippets("python") if snippet.mark]
    assert [mark for mark in marks if not re.match(r"continues$|answers .+|skip, because .+", mark)] == []
    assert len([mark for mark in marks if mark.startswith("skip")]) <= MOST_SKIPS


@functools.cache
def command_help(*words):
    command = [sys.executable, "-c", "from hanzo_agents.cli import main; main()", *words, "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def commands(snippet):
    """The words of each command, without prompts, comments and output redirections."""
    for line in snippet.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        while words and "=" in words[0]:
            words = words[1:]
        if words:
            yield words


@pytest.mark.parametrize("snippet", [pytest.param(s, id=s.name) for s in snippets("bash", "sh", "console")])
def test_shell(snippet):
    if snippet.language != "console":
        subprocess.run(["bash", "-n"], input=snippet.code, text=True, check=True)
    for words in commands(snippet):
        program = words[0].removeprefix("./")
        if program.split("/")[0] in ("scripts", "benchmarks", ".ci"):
            assert os.access(ROOT / program, os.X_OK), f"there is no {program} to run"
        if program == "python" and words[1:] and words[1].endswith(".py"):
            assert (ROOT / words[1]).exists(), f"there is no {words[1]}"
        if program == "hanzo-agents" and words[1:]:
            explained = command_help(*words[1 : 3 if words[1] in GROUPS else 2])
            unknown = [word for word in words[2:] if word.startswith("--") and word.split("=")[0] not in explained]
            assert not unknown, f"hanzo-agents {words[1]} has no {unknown}"
