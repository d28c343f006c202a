"""Arrows point down. The contracts are in pyproject.toml; this runs them, and checks what they cannot say."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hanzo_agents"

# Who may import a library, type-checking imports included. Paths are inside the package.
HOME_OF = {
    "agents": ("_agents/", "provider.py", "mcp/", "testing/", "cli/", "llmwise/"),
    "click": ("cli/",),
    "mcp": ("mcp/",),
    "pytest": ("testing/",),
    "rich": ("cli/",),
    "starlette": ("node/", "mcp/"),
    "uvicorn": ("node/", "mcp/"),
    "vcr": ("testing/",),
    "xllamacpp": ("node/",),
}


def importers(library):
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            if any(name.split(".")[0] == library for name in names):
                yield path.relative_to(PACKAGE).as_posix()
                break


def test_the_contracts_are_kept():
    # In a process of its own: it configures logging, and would silence every logger there is for the tests to come.
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    done = subprocess.run([sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("library", HOME_OF)
def test_a_library_is_imported_only_where_it_lives(library):
    strangers = [path for path in importers(library) if not path.startswith(HOME_OF[library])]
    assert not strangers
