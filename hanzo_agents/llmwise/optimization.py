"""Optimization: functions from arguments to a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanzo_agents.llmwise.request import Request, get, path_part, post, put, sent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanzo_agents.llmwise.shapes import JsonDict

_SUITES, _SCHEDULES = "/optimization/test-suites", "/optimization/regression-schedules"


def optimization_policy() -> Request[JsonDict]:
    """How "auto" chooses."""
    return get("/optimization/policy")


def optimization_update_policy(payload: Mapping[str, Any]) -> Request[JsonDict]:
    """Have "auto" choose otherwise."""
    return put("/optimization/policy", payload)


def optimization_report(
    *,
    goal: str = "balanced",
    days: int = 30,
    min_calls_per_model: int = 3,
    use_policy: bool = True,
    persist_snapshot: bool = False,
) -> Request[JsonDict]:
    """Which models would have served best.

    Args:
        goal: "balanced", "latency", "cost" or "reliability".
        days: how far back.
        min_calls_per_model: models with fewer are left out.
        use_policy: whether the policy's limits hold.
        persist_snapshot: whether the report is kept.
    """
    return get(
        "/optimization/report",
        goal=goal,
        days=days,
        min_calls_per_model=min_calls_per_model,
        use_policy=use_policy,
        persist_snapshot=persist_snapshot,
    )


def optimization_evaluate() -> Request[JsonDict]:
    """Evaluate the policy now."""
    return post("/optimization/evaluate", paid=True)


def optimization_snapshots(*, goal: str | None = None, limit: int = 20) -> Request[JsonDict]:
    """Reports that were kept."""
    return get("/optimization/snapshots", limit=limit, goal=goal)


def optimization_alerts(*, limit: int = 12) -> Request[JsonDict]:
    """What the service has noticed."""
    return get("/optimization/alerts", limit=limit)


def optimization_replay(*, days: int = 30, sample_size: int = 100) -> Request[JsonDict]:
    """Ask samples of the past again."""
    return post("/optimization/replay", sent(days=days, sample_size=sample_size), paid=True)


def optimization_test_templates() -> Request[JsonDict]:
    """Templates of test suites."""
    return get("/optimization/test-templates")


def optimization_test_suites(*, limit: int = 25) -> Request[JsonDict]:
    """The test suites there are."""
    return get(_SUITES, limit=limit)


def optimization_create_test_suite(payload: Mapping[str, Any]) -> Request[JsonDict]:
    """Make a test suite."""
    return post(_SUITES, payload)


def optimization_update_test_suite(suite_id: str, payload: Mapping[str, Any]) -> Request[JsonDict]:
    """Change a test suite."""
    return put(f"{_SUITES}/{path_part('suite_id', suite_id)}", payload)


def optimization_run_test_suite(suite_id: str) -> Request[JsonDict]:
    """Run a test suite."""
    return post(f"{_SUITES}/{path_part('suite_id', suite_id)}/run", paid=True)


def optimization_test_runs(*, limit: int = 20) -> Request[JsonDict]:
    """The latest runs of test suites."""
    return get("/optimization/test-runs", limit=limit)


def optimization_test_run_csv(run_id: str) -> Request[str]:
    """The results of a run, as CSV text."""
    return get(f"/optimization/test-runs/{path_part('run_id', run_id)}/csv", kind="text")


def optimization_regression_schedules(*, limit: int = 30) -> Request[JsonDict]:
    """When test suites are run by themselves."""
    return get(_SCHEDULES, limit=limit)


def optimization_create_regression_schedule(payload: Mapping[str, Any]) -> Request[JsonDict]:
    """Have a test suite run by itself."""
    return post(_SCHEDULES, payload)


def optimization_update_regression_schedule(schedule_id: str, payload: Mapping[str, Any]) -> Request[JsonDict]:
    """Change a schedule."""
    return put(f"{_SCHEDULES}/{path_part('schedule_id', schedule_id)}", payload)


def optimization_run_regression_schedule(schedule_id: str) -> Request[JsonDict]:
    """Run what a schedule runs, now."""
    return post(f"{_SCHEDULES}/{path_part('schedule_id', schedule_id)}/run", paid=True)
