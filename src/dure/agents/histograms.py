"""Latencies counted in buckets whose bounds grow by a tenth: two histograms are merged by adding their counts.

Bucket n holds what is more than `FIRST_MS * GROWTH ** (n - 1)` and at most `FIRST_MS * GROWTH ** n`; bucket 0 holds
what is `FIRST_MS` or less. A quantile is told as the middle of its bucket, in proportion: at most 4.8 % off. Which
bucket a latency falls into is decided in one place, `dure.latency_bucket` in the database.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

GROWTH = 1.1
FIRST_MS = 0.1
BUCKETS = 217
"""Up to a day; what took longer is counted in the last one."""
ERROR = (GROWTH - 1) / (GROWTH + 1)
"""How far a quantile may be from the true one, as a share of it."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many latencies fell into each bucket. Example: `Histogram((0, 2, 1)).quantile(0.95)`."""

    counts: tuple[int, ...] = ()

    @classmethod
    def merged(cls, many: Iterable[Sequence[int]]) -> "Histogram":
        """Add up histograms; those that end early have nothing behind their end."""
        total: list[int] = []
        for counts in many:
            total = [one + other for one, other in zip_longest(total, counts, fillvalue=0)]
        return cls(tuple(total))

    @property
    def count(self) -> int:
        """Answer how many latencies were counted."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Answer the latency in ms that a share of all did not exceed; None when there is none."""
        bucket = self.bucket_of(self.rank(share))
        if bucket is None:
            return None
        return FIRST_MS if bucket == 0 else bound_ms(bucket) * 2 / (GROWTH + 1)

    def rank(self, share: float) -> int:
        """Answer which of the latencies, in order from 1, a quantile is."""
        return max(1, -int(-share * self.count // 1))

    def bucket_of(self, rank: int) -> int | None:
        """Answer in which bucket the latency of a rank is; None when there are not so many."""
        seen = 0
        for bucket, count in enumerate(self.counts):
            seen += count
            if seen >= rank:
                return bucket
        return None

    def above(self, latency_ms: float) -> int:
        """Answer how many were certainly longer: those of the buckets that begin there or behind."""
        return sum(count for bucket, count in enumerate(self.counts) if bucket and bound_ms(bucket - 1) >= latency_ms)


def bound_ms(bucket: int) -> float:
    """Answer the longest latency that a bucket holds. Example: `bound_ms(0) == FIRST_MS`."""
    return float(FIRST_MS * GROWTH**bucket)
