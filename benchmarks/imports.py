"""What `import x` costs: the CPU time of whole processes, interleaved, less that of an empty one."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.measure import Series
from benchmarks.subjects import importable

MODULES = ("agents", "hanzo_agents", "openai", "litellm")


def _cpu_of(code: str) -> float:
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{code!r} exited with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def import_costs(rounds: int) -> dict[str, Series]:
    """CPU seconds of importing each module; every round's empty process is taken off that round."""
    modules = [module for module in MODULES if importable(module)]
    series = {module: Series() for module in modules}
    for number in range(-1, rounds):
        floor = _cpu_of("pass")
        turn = number % len(modules)
        for module in modules[turn:] + modules[:turn]:
            value = _cpu_of(f"import {module}") - floor
            if number >= 0:
                series[module].values.append(value)
    return series
