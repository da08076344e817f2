"""Widgets that know nothing of spend."""
