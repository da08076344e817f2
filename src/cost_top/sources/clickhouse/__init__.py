"""A log in ClickHouse: how it is reached and bounded, and the statements it is answered with there."""
