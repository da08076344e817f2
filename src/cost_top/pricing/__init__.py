"""Prices: rates with history, corrections, overrides, and the arithmetic over them."""
