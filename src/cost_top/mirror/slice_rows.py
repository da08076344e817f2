"""The rows of slices as SQL, each row with the number of its slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cost_top.mirror.slices import Slice, in_a_row, number_sql
from cost_top.mirror.where import condition
from cost_top.model.filter import Filter

Source = tuple[str, list[object]]  # a SELECT and its parameters
_FEW_RUNS = 4  # of slices: planning more of them takes longer than what lies between


class SliceRows:
    """Reads nothing itself."""

    def __init__(self, relation_of: Callable[[Sequence[Slice]], str]) -> None:
        """`relation_of` gives the SQL relation that holds the rows of slices."""
        self._relation_of = relation_of

    def whole(self, where: Filter, numbered: dict[Slice, int]) -> Source:
        """The matching rows of slices of one length: of few stretches, or else of all that lies between them too."""
        runs = in_a_row(numbered)
        if len(runs) <= _FEW_RUNS:
            return self._of_runs(where, runs, lambda run: number_sql({part: numbered[part] for part in run}))
        sql, parameters = condition(where)
        given = [min(part.start for part in numbered), max(part.end for part in numbered), *parameters]
        rows = self._relation_of(tuple(numbered))
        source = f"SELECT *, {number_sql(numbered)} AS slice FROM {rows} WHERE time >= ? AND time < ? AND {sql}"
        return f"SELECT * FROM ({source}) WHERE slice IS NOT NULL", given

    def cut(self, where: Filter, numbered: dict[Slice, int]) -> Source:
        """As `whole`, of parts of hours, at cut edges of windows."""
        return self._of_runs(
            where, in_a_row(numbered), lambda run: _number_by_end_sql([(part, numbered[part]) for part in run])
        )

    def _of_runs(
        self, where: Filter, runs: Sequence[Sequence[Slice]], number: Callable[[Sequence[Slice]], str]
    ) -> Source:
        """The rows of slices in `runs` of such that follow one another: those of a run are read at once."""
        sql, parameters = condition(where)
        parts = [
            (f"SELECT *, {number(run)} AS slice FROM {self._relation_of(run)} WHERE time >= ? AND time < ? AND {sql}",
             [run[0].start, run[-1].end, *parameters])
            for run in runs
        ]  # fmt: skip
        source = " UNION ALL BY NAME ".join(select for select, _ in parts)
        return source, [value for _, values in parts for value in values]


def _number_by_end_sql(run: Sequence[tuple[Slice, int]]) -> str:
    """The number of a row's slice, of slices that follow one another."""
    before = " ".join(f"WHEN time < TIMESTAMP '{part.end}' THEN {number}" for part, number in run[:-1])
    last = run[-1][1]
    return f"CASE {before} ELSE {last} END" if before else str(last)
