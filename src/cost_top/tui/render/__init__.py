"""What the screen shows, as pure functions from a snapshot to text of an exact width."""
