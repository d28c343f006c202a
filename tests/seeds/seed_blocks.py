"""The Python blocks of the seed document, and the least that each must be changed by to run.

Every block has its imports turned from `hanzo` to `hanzo_agents`, and its addresses to those of the test. What else is
changed is in PATCHES, each with its reason; a patch that fits nowhere fails the tests.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT.parent / "shared" / "seeds" / "000_e860bd7b4f459e80.txt"

_PIECES = re.compile(r"^(?P<heading>#{2,4} [^\n]*)$|^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_IMPORTS = re.compile(r"^(\s*from )hanzo(?=[. ])", re.MULTILINE)


@dataclass(frozen=True)
class Patch:
    """A change to a block, and why it cannot be without."""

    old: str
    new: str
    why: str


@dataclass(frozen=True)
class Block:
    heading: str
    line: int
    code: str

    def source(self, addresses, *, patched=True):
        """What is run."""
        code = _IMPORTS.sub(r"\1hanzo_agents", self.code)
        for patch in PATCHES.get(self.heading, ()) if patched else ():
            assert patch.old in code, f"{self.heading}: {patch.old!r} is not there any more ({patch.why})"
            code = code.replace(patch.old, patch.new)
        for old, new in addresses.items():
            code = code.replace(old, new)
        return code


IMPORT = "from hanzo_agents import Hanzo\n"
FRAGMENT = "a fragment: it leaves out the import that the blocks before it have"


PATCHES: dict[str, list[Patch]] = {
    "Function Calling": [
        Patch("from hanzo_agents import Hanzo\n", "import json\nfrom hanzo_agents import Hanzo\n", "it uses json without importing it"),
    ],
    "Prometheus Metrics": [
        Patch(
            "start_http_server(9090)", "start_http_server(0)",
            "metrics_port=9090 serves the page on that port already; two servers cannot listen on one",
        ),
    ],
    "Cost Estimation": [
        Patch(
            "create(...)", "create(messages=[{'role': 'user', 'content': 'Hello'}], model='gpt-4', max_tokens=1000)",
            "the dots stand for the arguments above",
        ),
    ],
    "1. Use Hybrid Mode for Production": [Patch("# ✅", IMPORT + "# ✅", FRAGMENT)],
    "2. Enable Caching": [
        Patch("# ✅", IMPORT + "# ✅", FRAGMENT),
    ],
    "3. Set Budget Limits": [Patch("# ✅", IMPORT + "# ✅", FRAGMENT)],
    "4. Use Streaming for Long Responses": [
        Patch("# ✅", IMPORT + "hanzo = Hanzo()\ndisplay = print\n# ✅", "a fragment: neither the client nor display is made"),
        Patch("messages=[...]", "messages=[{'role': 'user', 'content': 'Hello'}]", "the dots stand for messages"),
    ],
    "5. Monitor and Alert": [
        Patch("# ✅", IMPORT + "# ✅", FRAGMENT),
        Patch(
            "    budget_alerts={...}\n",
            "    daily_budget=10.0,\n    budget_alerts={'thresholds': [0.8], 'webhook': 'https://api.example.com/budget-alert'}\n",
            "the dots stand for settings, and alerts without a budget to watch are refused",
        ),
    ],
    "SDK Not Finding Local Hanzo Node": [Patch("# Check if", IMPORT + "# Check if", FRAGMENT)],
    "High Latency": [
        Patch("# Enable latency", IMPORT + "# Enable latency", FRAGMENT),
        Patch("messages=[...]", "messages=[{'role': 'user', 'content': 'Hello'}]", "the dots stand for messages"),
    ],
    "High Costs": [
        Patch("# Enable cost", IMPORT + "# Enable cost", FRAGMENT),
    ],
}  # fmt: skip
"""By the heading of the block."""

COMPILED_ONLY = {
    "Manual Implementation (100+ lines)": (
        "it shows what not to write: functions that exist nowhere, and packages that this one does not need"
    ),
}


@cache
def blocks():
    """The blocks by their heading. No heading has two."""
    found, heading = {}, ""
    text = DOCUMENT.read_text()
    for piece in _PIECES.finditer(text):
        if piece["heading"]:
            heading = piece["heading"].lstrip("# ").strip()
        else:
            assert heading not in found, f"{heading} has two blocks"
            found[heading] = Block(heading, text.count("\n", 0, piece.start("code")) + 1, piece["code"])
    return found
