"""The seed of the client, literally: every Python block runs, its imports turned from `llmwise` to ours."""

import re
from pathlib import Path

import pytest
from llmwise_server import HAIKU

DOCUMENT = next(iter((Path(__file__).parents[3] / "shared" / "seeds").glob("002_*.txt")), None)
BLOCKS = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text() if DOCUMENT else "", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.skipif(DOCUMENT is None, reason="the document is not part of this repository")

PRINTS = [
    rf"^{HAIKU}\n$",
    rf"^{HAIKU}\n\ncharged=1 remaining=99\n$",
    rf"^{HAIKU}$",
    r"^summary: .*'fastest': 'gpt-5.2'.*\n$",
    r"^models: 3\nbalance: .*\nusage: .*\nconversations: .*\n$",
    r"^history entries: 0\n$",
    r"^wallet: .*\nrecent usage: .*\npacks: .*\n$",
    r"^copilot: .*\nprivacy: .*\npolicy: .*\nreport: .*\n$",
]


def test_every_block_is_here():
    assert len(BLOCKS) == len(PRINTS)


@pytest.mark.parametrize("number", range(len(PRINTS)))
def test_a_block_runs(server, monkeypatch, capsys, number):
    monkeypatch.setenv("LLMWISE_API_KEY", "mm_sk_0123456789")
    monkeypatch.setenv("LLMWISE_BASE_URL", server.base_url)
    source = BLOCKS[number].replace("from llmwise import", "from hanzo_agents.llmwise import")
    exec(compile(source, str(DOCUMENT), "exec"), {"__name__": "__main__"})
    assert re.search(PRINTS[number], capsys.readouterr().out)
