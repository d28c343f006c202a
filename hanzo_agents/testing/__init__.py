"""What this package offers to tests: a clock, a misbehaving server, a scripted router, cassettes."""
