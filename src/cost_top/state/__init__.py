"""The small private file that outlives a run: one owner at a time, whole or not there at all."""
