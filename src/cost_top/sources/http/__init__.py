"""One bounded, redacted HTTP client for every API."""
