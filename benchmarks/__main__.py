"""The one command: `benchmarks/run [--rounds N] [--into DIRECTORY]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from pathlib import Path

# Before litellm is imported anywhere: it would try to fetch its price list, and that is not what is measured.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
# A key in the environment must not change what is sent, nor switch on anybody's trace export.
for name in [name for name in os.environ if name.startswith(("OPENAI_", "HANZO_"))]:
    del os.environ[name]

from benchmarks import cases, report, server  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds a figure (9)")
    parser.add_argument("--into", type=Path, default=report.HERE, help="where results.json and RESULTS.md go")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the 500s are on purpose

    before = os.getloadavg()[0]
    with server.running() as origin:
        tables = asyncio.run(cases.tables(origin, options.rounds))
    results = report.as_json(
        tables,
        rounds=options.rounds,
        load=[before, os.getloadavg()[0]],
        absent=cases.absent(),
    )
    report.write(results, options.into)
    for table in results["tables"].values():
        print("\n".join(report.table_lines(table)), end="\n\n")
    print("\n".join(report.aim_lines(results)))


if __name__ == "__main__":
    main()
