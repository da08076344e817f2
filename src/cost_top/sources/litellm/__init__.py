"""A LiteLLM proxy's rows over HTTP, read as a log."""
