"""The thread of a request log: its history, its answers, its notes."""
