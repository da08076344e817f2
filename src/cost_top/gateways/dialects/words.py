"""SQL of our own as words, for the places where one database's spelling becomes another's."""

from __future__ import annotations


def closing(words: list[str], opening: int) -> int:
    """The place of the parenthesis that closes the one at a place. `ValueError` where none does.

    >>> closing(list("f(a(b))"), 1)
    6
    """
    depth = 0
    for place in range(opening, len(words)):
        depth += (words[place] == "(") - (words[place] == ")")
        if depth == 0:
            return place
    raise ValueError("a parenthesis is not closed")
