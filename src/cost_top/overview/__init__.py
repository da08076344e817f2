"""What a view needs and how its snapshot is put together: no thread, no clock, no source."""
