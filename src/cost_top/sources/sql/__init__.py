"""A request log in a database: sessions, and what each database does its own way."""
