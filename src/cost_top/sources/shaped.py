"""What readers share whose streams have a raw shape: how DuckDB reads their rows and fingerprints."""

from __future__ import annotations

from cost_top.gateways.normalise import fingerprint_select, normalise_select
from cost_top.gateways.shape import RawShape
from cost_top.gateways.witnesses import content_select


class ShapedReader:
    """The part of `LogReader` that follows from the shape of a stream."""

    _shape: RawShape

    def normalise_sql(self, relation: str) -> str:
        """See `LogReader`."""
        return normalise_select(self._shape, relation)

    def taken_sql(self, relation: str) -> str:
        """See `LogReader`."""
        return normalise_select(self._shape, relation, witnesses=True)

    def content_sql(self, relation: str) -> str:
        """See `LogReader`."""
        return content_select(self._shape, relation)

    def fingerprint_sql(self, relation: str) -> str:
        """See `LogReader`."""
        return fingerprint_select(self._shape, relation)
