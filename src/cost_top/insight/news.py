"""What features tell from a bucket on, in the buckets of an engine."""

from __future__ import annotations

from cost_top.insight.engine import InOrder
from cost_top.model.features import BUCKET_SECONDS, Features, LoopStep


class News(InOrder):
    """Of buckets `[start, end)`, which count from `origin` (Unix seconds); cells are gone through once."""

    def __init__(self, features: Features, origin: int, start: int, end: int | None = None) -> None:
        """Until the end of the features where none is told."""
        shift = (features.origin - origin) // BUCKET_SECONDS
        self.end = features.count + shift if end is None else end
        found = features.between(start - shift, self.end - shift)
        super().__init__((cell._replace(bucket=cell.bucket + shift) for cell in found) if shift else found)
        self.loops: dict[int, list[LoopStep]] = {}
        for step in features.loops:
            if start <= step.bucket + shift < self.end:
                self.loops.setdefault(step.bucket + shift, []).append(step._replace(bucket=step.bucket + shift))
        self.doubled = [one._replace(bucket=one.bucket + shift) for one in features.doubled
                        if start <= one.bucket + shift < self.end]  # fmt: skip
        self.twice = {one.bucket: one for one in self.doubled}
