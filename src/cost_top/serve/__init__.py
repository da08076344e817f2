"""The reporting API over HTTP, and the same questions as tools for an assistant."""
