"""The thread of a log that is answered where it lives, in ClickHouse or PostgreSQL: statements, sums, no copy."""
