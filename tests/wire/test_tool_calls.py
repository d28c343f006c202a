"""Tool calls: each has an id of its own and its own arguments, however a provider numbers and cuts them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessageFunctionToolCall
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

from hanzo_agents._wire.dialects.tool_calls import StreamedCalls, fresh_id, mend_calls, truncated_arguments

IDS = st.sampled_from(["", "call_0", "call_1", "c", "used"])


def call(call_id, name="f", arguments="{}"):
    return ChatCompletionMessageFunctionToolCall.construct(
        id=call_id, type="function", function={"name": name, "arguments": arguments}
    )


CALLS = st.lists(
    st.tuples(IDS, st.sampled_from(["f", "g"]), st.sampled_from(["{}", '{"a": 1}', '{"a": 2}'])), max_size=6
)


@given(CALLS)
def test_after_mending_every_id_is_new_and_its_own(given_calls):
    mended = mend_calls([call(*one) for one in given_calls], taken={"used"})
    ids = [one.id for one in mended]
    assert len(set(ids)) == len(ids)
    assert not {"", "used"} & set(ids)


@given(CALLS)
def test_good_ids_are_kept_and_only_repetitions_are_dropped(given_calls):
    mended = [
        (one.function.name, one.function.arguments)
        for one in mend_calls([call(*one) for one in given_calls], taken={"used"})
    ]
    # A call without an id cannot repeat another; one that says the same under the same id can.
    expected, seen = [], {}
    for call_id, *payload in given_calls:
        if call_id and call_id in seen and payload in seen[call_id][:1]:
            continue
        seen.setdefault(call_id, []).append(payload)
        expected.append(tuple(payload))
    assert mended == expected


def test_ids_that_are_good_stay():
    mended = mend_calls([call("a"), call("b")], taken={"c"})
    assert [one.id for one in mended] == ["a", "b"]


@pytest.mark.parametrize(("arguments", "text"), [({"a": 1}, '{"a": 1}'), (None, ""), ("{}", "{}"), ("", "")])
def test_arguments_become_text(arguments, text):
    (mended,) = mend_calls([call("a", arguments=arguments)], taken=set())
    assert mended.function.arguments == text


@pytest.mark.parametrize(("arguments", "cut"), [('{"a": 1', True), ("", True), ("{}", False), ("[1]", False)])
def test_half_arguments_are_noticed(arguments, cut):
    assert truncated_arguments([call("a", arguments=arguments)]) is cut


def test_new_ids_are_new():
    assert len({fresh_id() for _ in range(100)}) == 100


def delta(index, call_id=None, name=None, arguments=None):
    fields = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}
    if call_id is not None:
        fields["type"] = "function"
    return ChoiceDeltaToolCall.construct(**fields)


def read(deltas, taken=()):
    """What a reader of the stream assembles: index -> [id, name, arguments]."""
    calls = StreamedCalls(lambda: set(taken))
    out = {}
    for one in [*(d for given_delta in deltas for d in calls.feed([given_delta])), *calls.finish()]:
        slot = out.setdefault(one.index, [None, "", ""])
        slot[0] = one.id or slot[0]
        slot[1] += (one.function.name or "") if one.function else ""
        slot[2] += (one.function.arguments or "") if one.function else ""
    return [tuple(slot) for _, slot in sorted(out.items())], calls


@given(
    st.lists(
        st.tuples(
            IDS, st.sampled_from(["f", "g"]), st.dictionaries(st.text(max_size=2), st.integers(0, 9), max_size=2)
        ),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 5),
)
def test_streamed_calls_come_out_whole_with_ids_of_their_own(given_calls, size):
    """Calls with an index each, their arguments cut into pieces of any size."""
    deltas, expected = [], []
    for index, (call_id, name, fields) in enumerate(given_calls):
        text = json.dumps(fields)
        deltas.append(delta(index, call_id, name, ""))
        deltas += [delta(index, None, None, text[i : i + size]) for i in range(0, len(text), size)]
        expected.append((call_id, name, text))
    out, calls = read(deltas, taken={"used"})
    ids = [call_id for call_id, _, _ in out]
    assert len(set(ids)) == len(ids)
    assert not {"", "used", None} & set(ids)
    first = {call_id: next(e for e in expected if e[0] == call_id) for call_id, *_ in expected}
    wanted = [e for i, e in enumerate(expected) if not (e[0] and e == first[e[0]] and e in expected[:i])]
    assert sorted((name, text) for _, name, text in out) == sorted((name, text) for _, name, text in wanted)
    assert not calls.cut
    for call_id, name, text in wanted:
        if call_id not in {"", "used"} and [e[0] for e in expected].count(call_id) == 1:
            assert (call_id, name, text) in out


@pytest.mark.parametrize("index", [0, None], ids=["all at index 0", "no index"])
def test_calls_that_share_an_index_are_told_apart_by_their_ids(index):
    deltas = [
        delta(index, "a", "f", "{"), delta(index, None, None, "}"),
        delta(index, "b", "g", '{"x"'), delta(index, None, None, ": 1}"),
    ]  # fmt: skip
    out, _ = read(deltas)
    assert out == [("a", "f", "{}"), ("b", "g", '{"x": 1}')]


def test_an_id_repeated_on_every_delta_is_one_call():
    out, _ = read([delta(0, "a", "f", "{"), delta(0, "a", None, "}")])
    assert out == [("a", "f", "{}")]


def test_a_used_id_stays_the_same_new_one_over_all_deltas():
    out, _ = read([delta(0, "used", "f", "{"), delta(0, "used", None, "}")], taken={"used"})
    ((call_id, name, text),) = out
    assert call_id not in {"used", ""}
    assert (name, text) == ("f", "{}")


def test_cut_arguments_are_noticed():
    _, calls = read([delta(0, "a", "f", '{"x": ')])
    assert calls.cut
    assert calls.text == '{"x": '


def test_an_exact_repetition_is_one_call():
    out, _ = read([delta(0, "a", "f", "{}"), delta(1, "a", "f", "{}")])
    assert out == [("a", "f", "{}")]


def test_one_id_with_other_arguments_is_another_call():
    out, _ = read([delta(0, "a", "f", "{}"), delta(1, "a", "f", '{"x": 1}')])
    assert [text for _, _, text in out] == ["{}", '{"x": 1}']
    assert len({call_id for call_id, _, _ in out}) == 2
