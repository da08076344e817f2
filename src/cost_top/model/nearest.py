"""The name that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is spelled most like `word`; None where none is.

    >>> nearest("tga", ("tag", "team", "token")), nearest("xyz", ("tag",))
    ('tag', None)
    """
    from difflib import get_close_matches

    found = get_close_matches(word[:40].lower(), list(names), n=1, cutoff=0.65)
    return found[0] if found else None


def choices(word: str, names: Iterable[str]) -> str:
    """How a refusal of `word` goes on: the nearest name first, then all of them.

    >>> choices("modle", ("model", "user"))
    'did you mean model? choose from model, user'
    """
    known = list(names)
    meant = nearest(word, known)
    return f"{f'did you mean {meant}? ' if meant else ''}choose from {', '.join(known)}"
