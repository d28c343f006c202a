"""`compare`, `blend` and `judge`: several models for one request of a client."""
