"""What the wire knows of each API: how a request reads, what accepts a reply and ends it, how it is replayed."""
