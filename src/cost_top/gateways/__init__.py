"""Presets (data: one TOML file a gateway), how a log is recognised, and the SQL that a preset compiles to."""
