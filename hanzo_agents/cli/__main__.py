"""`python -m hanzo_agents.cli`: the command line where its script is not on the path."""

from __future__ import annotations

from hanzo_agents.cli.app import main

if __name__ == "__main__":
    main()
