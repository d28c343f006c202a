"""What lies in the stores: nobody else's, nothing damaged, nothing changed; and stores that decide by themselves."""

import asyncio
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from semantic_scenes import AGAIN, CAPITAL, Router, alike, ask, read, said, scene

from hanzo_agents import ConfigError, Cost, SemanticCache, track
from hanzo_agents.policies.sealed import Facts
from hanzo_agents.policies.semantic import Found
from hanzo_agents.stores import MemoryStore, SQLiteStore
from hanzo_agents.stores.pending import Done


def rows(store, sql, *args):
    async def run():
        return await store.submit(lambda c: c.execute(sql, args).fetchall(), what="test")

    return run()


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_every_store_gives_the_same(kind, tmp_path):
    store = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / "answers.db")
    _, cache, client = scene(store=store)
    await ask(client, CAPITAL)
    for _ in range(2):
        assert (await ask(client, AGAIN)).from_cache
    assert cache.stats().hits == 2
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-5],
        lambda content: content.replace(b"Canberra", b"Sydney!!"),
        lambda content: b"\x80\x04\x95 pickled",
        lambda content: b"",
        lambda content: content.replace(b'"hanzo_entry":', b'"hanzo_entry":9'),
        lambda content: b"null\n" + content,
    ],
    ids=["cut", "changed", "pickle", "empty", "another version", "shifted"],
)
async def test_damaged_answers_are_none_and_go(damage, tmp_path):
    store = SQLiteStore(tmp_path / "answers.db")
    router, _, client = scene(store=store, says=lambda text: "Canberra")
    await ask(client, CAPITAL)
    ((content,),) = await rows(store, "SELECT content FROM vectors")
    await rows(store, "UPDATE vectors SET content = ?", damage(content))
    with track() as journals:
        assert await said(client, AGAIN) == "Canberra"
    assert len(router.asked) == 2
    assert "drops an entry" in [d.action for d in journals[0].decisions]
    ((left,),) = await rows(store, "SELECT content FROM vectors")
    assert b"capital" in left
    assert (await ask(client, CAPITAL)).from_cache
    store.close()


async def test_answers_of_others_do_not_open(tmp_path):
    """Somebody who can write to the store, and does not have the key, cannot have his answer given."""
    store = SQLiteStore(tmp_path / "answers.db")
    router = Router()
    mine, theirs = (
        router.upstream.client(policies=[SemanticCache(embed=alike, store=store, sample=0)], api_key=key)
        for key in ("sk-a", "sk-b")
    )
    await ask(theirs, CAPITAL)
    await ask(mine, "Something else entirely")
    ((space,),) = await rows(store, "SELECT space FROM vectors WHERE id = 2")
    await rows(store, "UPDATE vectors SET space = ? WHERE id = 1", space)
    store.close()
    assert not (await ask(mine, AGAIN)).from_cache
    store.close()


async def test_nothing_of_the_key_is_in_the_store(tmp_path):
    store = SQLiteStore(tmp_path / "answers.db")
    _, _, client = scene(store=store)
    await ask(client, CAPITAL)
    store.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"sk-canary" not in content


async def test_a_store_that_is_away_is_no_error(tmp_path, caplog):
    folder = tmp_path / "folder"
    folder.mkdir()
    store = SQLiteStore(folder / "deep" / "answers.db")
    (folder / "deep").write_text("a file where a folder should be")
    router, cache, client = scene(store=store)
    for _ in range(2):
        assert await said(client, CAPITAL) == f"about {CAPITAL}"
    assert len(router.asked) == 2
    assert (cache.stats().failed, cache.stats().bypassed) == (1, 1)
    assert caplog.text.count("semantic cache is away") == 1
    store.close()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=8), st.sampled_from(["m", "m2"])),
        min_size=2, max_size=5, unique=True,
    )
)  # fmt: skip
def test_partitions_never_meet(scopes):
    """Tenant, instructions and model, however they are spelled: each finds only what it has put."""

    async def run(store):
        router = Router()
        for tenant, instructions, model in scopes:
            client = router.client(SemanticCache(embed=alike, store=store, tenant=tenant, sample=0))
            before = ({"role": "system", "content": instructions},) if instructions else ()
            answer = await ask(client, CAPITAL, *before, model=model)
            assert not answer.from_cache
        assert len(router.asked) == len(scopes)
        for tenant, instructions, model in scopes:
            client = router.client(SemanticCache(embed=alike, store=store, tenant=tenant, sample=0))
            before = ({"role": "system", "content": instructions},) if instructions else ()
            assert (await ask(client, AGAIN, *before, model=model)).from_cache

    with TemporaryDirectory() as folder:
        asyncio.run(run(MemoryStore()))
        store = SQLiteStore(Path(folder) / "answers.db")
        asyncio.run(run(store))
        store.close()


class Service:
    """Somebody who decides himself what is similar, and may answer by himself."""

    scope = "service test"

    def __init__(self, *, fresh=False, question=None, fails=None):
        self.fresh = fresh
        self.question = question
        self.fails = fails
        self.asked = []
        self.kept = []
        self.dropped = []
        self.text = "from the service"

    async def find(self, asked):
        self.asked.append(asked)
        if self.fails is not None:
            raise self.fails
        facts = Facts("gpt-x", "service", asked.call.clock.wall() - 5, None, Cost(Decimal("0.5"), "reported"))
        return (
            []
            if self.text is None
            else [Found(0.9, facts, text=self.text, question=self.question, fresh=self.fresh)]
        )

    def keep(self, asked, facts, body):
        self.kept.append((asked.text, facts.model, body))
        return Done(True)

    def drop(self, found, *, clock):
        self.dropped.append(found)

    async def clear(self, *, clock):
        return 0


def served_by(service, **fields):
    router = Router()
    cache = SemanticCache(store=service, sample=0, **fields)
    return router, cache, router.client(cache)


async def test_a_service_may_decide():
    service = Service()
    router, cache, client = served_by(service, threshold=0.8)
    answer = await ask(client, CAPITAL)
    assert answer.choices[0].message.content == "from the service"
    assert answer.from_cache
    assert router.asked == []
    (asked,) = service.asked
    assert (asked.text, asked.alone, asked.threshold, asked.ttl) == (CAPITAL, True, 0.8, 3600)
    assert len(asked.partition) == 32
    assert cache.stats().saved == Decimal("0.5")
    chunks = await read(await ask(client, CAPITAL, stream=True))
    assert chunks[1].choices[0].delta.content == "from the service"
    said_so = await client.responses.create(input=CAPITAL)
    assert said_so.output_text == "from the service"
    events = await read(await client.responses.create(input=CAPITAL, stream=True))
    assert events[-1].response.output_text == "from the service"
    await ask(client, CAPITAL, {"role": "system", "content": "Be brief."})
    assert [one.alone for one in service.asked] == [True, True, True, True, False]
    assert len({one.partition for one in service.asked}) == 3


async def test_the_gate_judges_where_the_service_tells_its_question():
    service = Service(question="What is the capital of Austria?")
    _, _, client = served_by(service)
    assert not (await ask(client, CAPITAL)).from_cache
    assert [text for text, _, _ in service.kept] == [CAPITAL]
    service.question = AGAIN
    assert (await ask(client, CAPITAL)).from_cache


async def test_what_a_service_answers_by_itself_is_no_hit():
    service = Service(fresh=True)
    router, cache, client = served_by(service)
    with track() as journals:
        answer = await ask(client, CAPITAL)
    assert not answer.from_cache
    assert answer.choices[0].message.content == "from the service"
    assert router.asked == []
    assert journals[0].cost.amount == Decimal("0.5")
    assert cache.stats().hits == 0


async def test_a_service_that_fails_is_no_error():
    service = Service(fails=RuntimeError("secret prompt"))
    _, cache, client = served_by(service)
    assert await said(client, CAPITAL) == f"about {CAPITAL}"
    assert service.kept == []
    assert cache.stats().failed == 1


async def test_in_the_shadow_a_service_is_compared_too():
    service = Service()
    _, cache, client = served_by(service, shadow=True)
    assert await said(client, CAPITAL) == f"about {CAPITAL}"
    assert (cache.stats().compared, cache.stats().disagreed) == (1, 1)
    service.fresh = True
    assert await said(client, CAPITAL) == f"about {CAPITAL}"
    assert cache.stats().compared == 1


@pytest.mark.parametrize("field", [{"embed": "e"}, {"max_entries": 5}, {"max_bytes": 5}])
def test_what_a_service_sees_to_itself(field):
    with pytest.raises(ConfigError, match=r"service test sees to that itself"):
        SemanticCache(store=Service(), **field)


async def test_a_damaged_answer_of_a_service_is_dropped():
    class Odd(Service):
        async def find(self, asked):
            (found,) = await super().find(asked)
            return [Found(0.9, found.facts, body=b'{"choices": 5}')]

    service = Odd()
    _, _, client = served_by(service)
    assert await said(client, CAPITAL) == f"about {CAPITAL}"
    assert len(service.dropped) == 1
