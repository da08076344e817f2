"""What the figures say: pure functions over sums. No clock, no I/O."""
