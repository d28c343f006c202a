"""The Python blocks of the service's guide, and the least that each must be changed by to run.

The guide's own classes and requests run as they are, against a server of ours; where it uses its client class, ours
stands in its place. What else is changed is in PATCHES, each with its reason; a patch that fits nowhere fails.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "shared" / "seeds" / "003_9fe4e898d6f610f9.txt"
HOST = "https://api.vectorcache.com"

_PIECES = re.compile(r"^(?P<heading>#{2,4} [^\n]*)$|^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Patch:
    """A change to a block, and why it cannot be without."""

    old: str
    new: str
    why: str


OURS = "from hanzo_agents.vectorcache import VectorcacheClient\n"
CONTINUES = "it goes on from the blocks before it, and leaves out what they have imported"
ERRORS = "our client does not send through requests: its errors have names of their own"

PATCHES = {
    "Basic Query": [Patch("import requests\n", "import os\nimport requests\n", CONTINUES)],
    "Async Client": [Patch("import httpx\n", "import os\nimport httpx\n", CONTINUES)],
    "Batch Processing": [Patch("import httpx\n", "import os\nimport httpx\n", CONTINUES)],
    "Vectorcache Client Class": [Patch("import requests\n", "import os\nimport requests\n", CONTINUES)],
    "FastAPI": [Patch("from fastapi", OURS + "from fastapi", CONTINUES)],
    "Django": [Patch("from django.http", OURS + "from django.http", CONTINUES)],
    "Flask": [Patch("from flask", OURS + "from flask", CONTINUES)],
    "Chatbot with Metrics": [
        Patch("class Chatbot", "import os\nfrom typing import Any, Dict\n" + OURS + "\nclass Chatbot", CONTINUES)
    ],
    "Retry Logic": [
        Patch(
            "import time\n",
            "import time\nfrom hanzo_agents.vectorcache import (\n"
            "    TimedOut, VectorcacheClient, VectorcacheResponse, VectorcacheStatusError,\n)\n",
            CONTINUES,
        ),
        Patch("requests.exceptions.HTTPError", "VectorcacheStatusError", ERRORS),
        Patch("requests.exceptions.Timeout", "TimedOut", ERRORS),
    ],
}


@cache
def blocks():
    """Each block with the line it begins in, by the heading above it."""
    found, heading, text = {}, "", DOCUMENT.read_text()
    for piece in _PIECES.finditer(text):
        if piece["heading"]:
            heading = piece["heading"].lstrip("# ")
        else:
            assert heading not in found
            found[heading] = text.count("\n", 0, piece.start("code")) + 1, piece["code"]
    return found


def run(heading, url):
    """Run a block; its names afterwards."""
    line, code = blocks()[heading]
    for patch in PATCHES.get(heading, ()):
        assert patch.old in code, f"{heading}: {patch.old!r} is not there any more ({patch.why})"
        code = code.replace(patch.old, patch.new)
    names = {"__name__": "guide"}
    code = code.replace(HOST, url)
    exec(compile("\n" * (line - 1) + code, str(DOCUMENT), "exec", dont_inherit=True), names)
    return names
