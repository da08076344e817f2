"""Tables, charts and lines that show one part of a snapshot."""
