"""The shared language: record, query, filter, money, time, text. Imports nothing else of cost-top."""
