"""Local wall time of five-minute buckets: the same hour a week ago, and how far the month has come."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo

from cost_top.model.features import BUCKET_SECONDS

HOUR = 3600 // BUCKET_SECONDS
DAY = 24 * HOUR
_EPOCH = date(1970, 1, 1)


class Calendar:
    """Buckets count from `origin` (Unix seconds); an end of a bucket is the number of the next."""

    def __init__(self, origin: int, zone: tzinfo) -> None:
        self.origin = origin
        self.zone = zone
        self._offsets: dict[int, int] = {}
        self._months: dict[int, tuple[int, int, int]] = {}

    def offset(self, bucket: int) -> int:
        """Seconds east of UTC when a bucket begins."""
        seconds = self.origin + bucket * BUCKET_SECONDS
        hour = seconds // 900
        known = self._offsets.get(hour)
        if known is None:
            shift = datetime.fromtimestamp(hour * 900, UTC).astimezone(self.zone).utcoffset() or timedelta()
            known = self._offsets[hour] = int(shift.total_seconds())
        return known

    def forget(self) -> None:
        """Drop what is only kept to be quick."""
        self._offsets.clear()
        self._months.clear()

    def local(self, bucket: int) -> int:
        """Local wall time as seconds since 1970."""
        return self.origin + bucket * BUCKET_SECONDS + self.offset(bucket)

    def day(self, bucket: int) -> int:
        """The local day a bucket lies in, as days since 1970."""
        return self.local(bucket) // 86400

    def is_weekend(self, bucket: int) -> bool:
        """Saturday or Sunday, where the bucket lies."""
        return (self.day(bucket) + 3) % 7 >= 5

    def back(self, bucket: int, days: int) -> int:
        """The bucket at the same wall time so many days before."""
        earlier = bucket - days * DAY
        return earlier + round((self.offset(bucket) - self.offset(earlier)) / BUCKET_SECONDS)

    def month_before(self, bucket: int) -> int | None:
        """On the last day and the first three of a month: the bucket as far from the first of the month before."""
        day, (first, following, before) = self.day(bucket), self._month(self.day(bucket))
        if day - first < 3:
            return self.back(bucket, first - before)
        if day == following - 1:
            return self.back(bucket, following - first)
        return None

    def _month(self, day: int) -> tuple[int, int, int]:
        """First day of the month of `day`, of the next, and of the one before."""
        known = self._months.get(day)
        if known is None:
            start = (_EPOCH + timedelta(days=day)).replace(day=1)
            following = (start + timedelta(days=32)).replace(day=1)
            before = (start - timedelta(days=1)).replace(day=1)
            known = ((start - _EPOCH).days, (following - _EPOCH).days, (before - _EPOCH).days)
            self._months[day] = known
        return known
