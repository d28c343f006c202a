"""Conversations, prices and candidates that the routing tests stand on."""

from calls import PlainView, make_call

from hanzo_agents import Attempt, Price, Reply, Target
from hanzo_agents.routing import ModelFacts, Route

EASY = "What is the capital of Australia?"
HARD = (
    "Prove that every finite integral domain is a field, then design a distributed lock and weigh the trade-offs."
)
LOCAL = Target("tiny", "http://127.0.0.1:1/v1", "k", label="local")

MODELS = {
    "best": ModelFacts(quality=0.9),
    "middle": ModelFacts(quality=0.8),
    "small": ModelFacts(quality=0.68),
    "tiny": ModelFacts(quality=0.66),
}
PRICES = {
    "best": Price(input=10, output=30, cached_input=1),
    "middle": Price(input=1, output=3, cached_input="0.1"),
    "small": Price(input="0.1", output="0.3"),
}
NAMES = ["best", "middle", "small"]


def route(to=NAMES, **fields):
    return Route(to=to, **{"models": MODELS, "prices": PRICES, **fields})


def user(text):
    return {"role": "user", "content": text}


def said(text):
    return {"role": "assistant", "content": text}


ASKED_TOOL = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"arguments": "{}"}}]}
TOOL_SAID = {"role": "tool", "tool_call_id": "c1", "content": "42"}


def talk(*messages, target="asked", **fields):
    """A call; a string is what the user says."""
    messages = tuple(user(m) if isinstance(m, str) else m for m in messages)
    text = "\n".join(m["content"] or "" for m in messages)
    view = PlainView(
        text=text,
        messages=messages,
        **{k: fields.pop(k) for k in ("needs", "max_output", "operation") if k in fields},
    )
    return make_call(target, view=view, **fields)


class Upstream:
    """Answers as its targets do: seconds to the first event, or an error, by the target's name."""

    def __init__(self, **does):
        self.does = does
        self.asked = []

    async def __call__(self, call):
        await call.pass_guards()
        label = str(call.target)
        self.asked.append(label)
        step = self.does.get(label, 0.1)
        started = call.clock.now()
        attempt = Attempt(call.attempt, label, started)
        call.begin(attempt)
        if isinstance(step, BaseException):
            attempt.error, attempt.ended = step, started
            raise step
        await call.clock.sleep(step)
        attempt.accepted = attempt.ended = call.clock.now()
        return Reply(f"from {label}", attempt)


def decision(call):
    (found,) = [d for d in call.journal.decisions if d.policy == "Route"]
    return found


async def chosen(policy, call):
    """The target that the policy sends a call to."""
    upstream = Upstream()
    await policy(call, upstream)
    (label,) = upstream.asked
    return label
