"""The routes of `cost-top serve`, one module each."""
