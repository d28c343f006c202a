"""What a `Route` remembers: where conversations are, and how targets have done lately."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from hanzo_agents._kernel.shapes import texts_in
from hanzo_agents._kernel.turns import Turns
from hanzo_agents.policies.hedge.latency import latency_key

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.target import Target

__all__ = ["Health", "Memory", "Place", "Places", "Turn", "key_of", "turn_of"]

MOST_PLACES = 8192
"""Keys of turns remembered, up to three each: what a busy process has under way, in about a megabyte."""

MOST_TARGETS = 256
"""Targets remembered, as many as `Latencies` has."""

FAILURES = 2
"""Failures in a row after which a target goes last: one may be chance."""

REST = 30.0
"""Seconds it stays last, counted from its last failure: as long as a `Breaker` stays open by default."""

STALE = 300.0
"""Seconds after which what was measured of a target is asked for anew, and its prompt cache is taken to be cold:
Anthropic documents five minutes, OpenAI five to ten."""


def key_of(target: Target, call: Call) -> Hashable:
    """What observations of a target are kept under: those of latency may be shared with a `Hedge`."""
    return latency_key(call, target)


@dataclass(frozen=True, slots=True)
class Turn:
    """Where in a conversation a call stands.

    Attributes:
        keys: what its answer is remembered under, the surest first.
        before: the same for the turn before it; empty in the first turn.
        looping: the call goes on with its turn: it brings results of tools that the answer has asked for.
        latest: characters said since the turn before it.
    """

    keys: tuple[Hashable, ...]
    before: tuple[Hashable, ...]
    looping: bool
    latest: int


def turn_of(call: Call) -> Turn:
    """The turn of a call: what was said up to the last word of the user tells one conversation from another.

    All steps of a tool loop have that in common, so that none needs the answer before it to be read. A call that
    leans on state at one provider shows only what is new: it goes on where its run is.
    """
    messages, run = call.view.messages, call.journal.run
    last = _user_before(messages, len(messages))
    before = _user_before(messages, last)
    keys = _keys(call, messages, last)
    if run is not None:
        # Last of all the run itself, for a history that was shortened on the way.
        keys = (*((run, key) for key in keys), *keys, (run, call.journal.agent))
    looping = any(_is_result(message) for message in messages[last + 1 :]) or (call.pinned and run is not None)
    latest = sum(len(text) for message in messages[max(last, 0) :] for text in texts_in(message))
    return Turn(keys, _keys(call, messages, before), looping, latest)


def _user_before(messages: Sequence[Mapping[str, Any]], end: int) -> int:
    for index in range(end - 1, -1, -1):
        if messages[index].get("role") == "user":
            return index
    return -1


def _is_result(message: Mapping[str, Any]) -> bool:
    kind = message.get("type")
    return message.get("role") == "tool" or (isinstance(kind, str) and kind.endswith("_output"))


def _keys(call: Call, messages: Sequence[Mapping[str, Any]], last: int) -> tuple[Hashable, ...]:
    if last < 0:
        return ()
    # Not the whole history: how far it goes and what its first, last and last but one say is told apart as well,
    # in a time that does not grow with it.
    said = tuple(tuple(texts_in(messages[index])) for index in sorted({0, max(last - 1, 0), last}))
    return ((call.journal.agent, call.view.operation, last, hash(said)),)


class Place(NamedTuple):
    """The label of the target that answered a turn, and when (monotonic seconds)."""

    label: str
    when: float


class Places:
    """Where turns were answered, and when. Thread-safe; the ones that were longest out of use are forgotten."""

    __slots__ = ("_places", "_turns")

    def __init__(self) -> None:
        self._places: OrderedDict[Hashable, Place] = OrderedDict()
        self._turns = Turns()

    def find(self, keys: Sequence[Hashable]) -> Place | None:
        """Who answered a turn, and when; None when nobody remembers."""
        for key in keys:
            if (found := self._places.get(key)) is not None:
                return found
        return None

    def put(self, keys: Sequence[Hashable], label: str, now: float) -> None:
        """Remember who answered."""
        self._turns.put(self._put, keys, Place(label, now))

    def _put(self, keys: Sequence[Hashable], place: Place) -> None:
        for key in keys:
            self._places[key] = place
            self._places.move_to_end(key)
        while len(self._places) > MOST_PLACES:
            self._places.popitem(last=False)


@dataclass(slots=True)
class _State:
    failures: int = 0
    failed: float = 0.0
    measured: float = float("-inf")


class Health:
    """How targets have done lately. Thread-safe; what is told at the end of a reply never waits."""

    __slots__ = ("_states", "_turns")

    def __init__(self) -> None:
        self._states: OrderedDict[Hashable, _State] = OrderedDict()
        self._turns = Turns()

    def failed(self, key: Hashable, now: float) -> None:
        """Write down a failure."""
        self._turns.put(self._failed, key, now)

    def answered(self, key: Hashable, now: float) -> None:
        """Write down an answer: failures before it count no more."""
        self._turns.put(self._answered, key, now)

    def of(self, key: Hashable, now: float) -> tuple[bool, bool]:
        """Whether it has failed several times in a row, and lately; whether it was measured lately."""
        state = self._states.get(key)
        if state is None:
            return False, False
        failing = state.failures >= FAILURES and now < state.failed + REST
        return failing, now < state.measured + STALE

    def _failed(self, key: Hashable, now: float) -> None:
        state = self._state(key)
        state.failures += 1
        state.failed = now

    def _answered(self, key: Hashable, now: float) -> None:
        state = self._state(key)
        state.failures = 0
        state.measured = now

    def _state(self, key: Hashable) -> _State:
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = _State()
            if len(self._states) > MOST_TARGETS:
                self._states.popitem(last=False)
        return state


class Memory:
    """What routing remembers: where conversations are, and how targets have done. Shared by sharing the object.

    It is of this process, and holds no text: turns are known by a hash.
    """

    __slots__ = ("health", "places")

    def __init__(self) -> None:
        self.places = Places()
        self.health = Health()

    def __repr__(self) -> str:
        return "Memory(scope=this object)"
