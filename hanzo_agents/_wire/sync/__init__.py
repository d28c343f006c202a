"""The synchronous client: the same engine, driven from threads over the loop thread of the process."""
