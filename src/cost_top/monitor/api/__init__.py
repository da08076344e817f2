"""The thread of a report API: its pace, its meter, what it keeps of answers."""
