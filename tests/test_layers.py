"""Arrows point down. The contracts are in pyproject.toml; this runs them, and checks what they cannot say."""

import ast
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

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


def test_the_contracts_are_kept(capsys):
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize("library", HOME_OF)
def test_a_library_is_imported_only_where_it_lives(library):
    strangers = [path for path in importers(library) if not path.startswith(HOME_OF[library])]
    assert not strangers
