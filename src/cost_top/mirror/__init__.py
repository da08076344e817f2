"""The copy of a log's window: rows, days and sums. Only `Mirror` is for other rooms."""
