"""How each database spells what a mapping asks for."""
