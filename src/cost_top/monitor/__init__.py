"""The one thread that owns the clock, the source and the mirror, and the snapshots it publishes."""
