"""Side-by-side speed measurements: `benchmarks/run` makes the table, `RESULTS.md` keeps the last one."""
