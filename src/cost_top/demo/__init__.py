"""The demo gateway: a believable month of traffic in the native log, and live traffic on top of it."""
