"""A public benchmark of alarms: invented shops with labelled incidents, rules, and how they are scored."""
