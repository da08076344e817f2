"""Benchmarks are run by hand (`python -m tests.benchmarks`), never by pytest."""

collect_ignore_glob = ["*.py"]
