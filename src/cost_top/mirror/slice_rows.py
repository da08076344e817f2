"""The rows of slices as SQL, each row with the number of its slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cost_top.mirror.slices import Slice, are_contiguous, number_sql
from cost_top.mirror.where import condition
from cost_top.model.filter import Filter

Source = tuple[str, list[object]]  # a SELECT and its parameters


class SliceRows:
    """Reads nothing itself."""

    def __init__(self, relation_of: Callable[[Sequence[Slice]], str]) -> None:
        """`relation_of` gives the SQL relation that holds the rows of slices."""
        self._relation_of = relation_of

    def whole(self, where: Filter, numbered: dict[Slice, int]) -> Source:
        """The matching rows of slices of one length."""
        sql, parameters = condition(where)
        rows = self._relation_of(tuple(numbered))
        given = [min(part.start for part in numbered), max(part.end for part in numbered), *parameters]
        source = f"SELECT *, {number_sql(numbered)} AS slice FROM {rows} WHERE time >= ? AND time < ? AND {sql}"
        if not are_contiguous(numbered):
            source = f"SELECT * FROM ({source}) WHERE slice IS NOT NULL"
        return source, given

    def cut(self, where: Filter, numbered: dict[Slice, int]) -> Source:
        """As `whole`, of cut edges of windows, which last for a minute."""
        sql, parameters = condition(where)
        parts = [
            (f"SELECT *, {number} AS slice FROM {self._relation_of((part,))} WHERE time >= ? AND time < ? AND {sql}",
             [part.start, part.end, *parameters])
            for part, number in numbered.items()
        ]  # fmt: skip
        source = " UNION ALL BY NAME ".join(select for select, _ in parts)
        return source, [value for _, values in parts for value in values]
