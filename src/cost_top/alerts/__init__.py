"""Events and their delivery: an outbox that outlives the process, receivers, retries."""
