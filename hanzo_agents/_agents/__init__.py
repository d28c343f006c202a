"""The Agents SDK edge: our models, the wrapping of foreign ones, and the bridge to its tracing."""
