"""A log in files: exports, access logs, coding agents' sessions. Kept as rows of metadata in an index of our own."""
