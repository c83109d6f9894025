"""Counters, gauges and histograms of this process, in the Prometheus text format; no dependency.

One `Registry` belongs to a process and is handed to what measures. A metric keeps at most `SERIES_MAX` label
sets: labels come from handler names and the like, and a mistake there must not eat the memory.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TypeVar

SERIES_MAX = 2_000
OVERFLOW = "_other"
"""The label value that takes what comes after `SERIES_MAX` label sets."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Bounds for durations, from a wake-up to a long job."""

Labels = tuple[str, ...]
_M = TypeVar("_M", bound="Metric")


class Metric:
    """What the three kinds share: a name, a help line, named labels and a lock."""

    kind = "untyped"

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.help_text = help_text
        self.label_names = tuple(labels)
        self._lock = threading.Lock()

    def lines(self) -> Iterator[str]:
        """Yield the samples in the text format."""
        raise NotImplementedError

    def _labels(self, given: Labels, known: object) -> Labels:
        if len(given) != len(self.label_names):
            raise ValueError(f"{self.name} has the labels {self.label_names}, not {len(given)} values")
        if isinstance(known, dict) and given not in known and len(known) >= SERIES_MAX:
            return (OVERFLOW,) * len(given)
        return given

    def _sample(self, labels: Labels, value: float, suffix: str = "", extra: str = "") -> str:
        pairs = [f'{name}="{_escape(text)}"' for name, text in zip(self.label_names, labels, strict=True)]
        inside = ",".join([*pairs, extra] if extra else pairs)
        return (
            f"{self.name}{suffix}{{{inside}}} {_number(value)}" if inside else (f"{self.name}{suffix} {_number(value)}")
        )


class Counter(Metric):
    """Only grows. Example: `registry.counter("dure_jobs_total", "Jobs", ["state"]).add(1, "completed")`."""

    kind = "counter"

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help_text, labels)
        self._values: dict[Labels, float] = {}

    def add(self, amount: float = 1.0, /, *labels: str) -> None:
        """Add `amount`, which is never negative."""
        if amount < 0:
            raise ValueError("a counter only grows")
        with self._lock:
            key = self._labels(labels, self._values)
            self._values[key] = self._values.get(key, 0.0) + amount

    def value(self, *labels: str) -> float:
        """Answer the present value."""
        return self._values.get(labels, 0.0)

    def lines(self) -> Iterator[str]:
        """Yield the samples in the text format."""
        with self._lock:
            values = sorted(self._values.items())
        return (self._sample(labels, value) for labels, value in values)


class Gauge(Metric):
    """Goes up and down. Example: `registry.gauge("dure_pool_size", "Open connections").set(4)`."""

    kind = "gauge"

    def __init__(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help_text, labels)
        self._values: dict[Labels, float] = {}

    def set(self, value: float, /, *labels: str) -> None:
        """Take `value` as the present one."""
        with self._lock:
            self._values[self._labels(labels, self._values)] = value

    def value(self, *labels: str) -> float:
        """Answer the present value."""
        return self._values.get(labels, 0.0)

    def lines(self) -> Iterator[str]:
        """Yield the samples in the text format."""
        with self._lock:
            values = sorted(self._values.items())
        return (self._sample(labels, value) for labels, value in values)


class Histogram(Metric):
    """Counts values by size. Example: `registry.histogram("dure_start_seconds", "Wait").observe(0.003)`."""

    kind = "histogram"

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, bounds: Sequence[float] = SECONDS
    ) -> None:
        super().__init__(name, help_text, labels)
        self._bounds = tuple(sorted(bounds))
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, value: float, /, *labels: str) -> None:
        """Count one value."""
        with self._lock:
            key = self._labels(labels, self._counts)
            counts = self._counts.setdefault(key, [0] * (len(self._bounds) + 1))
            counts[bisect_left(self._bounds, value)] += 1
            self._sums[key] = self._sums.get(key, 0.0) + value

    def lines(self) -> Iterator[str]:
        """Yield the samples in the text format; each bucket includes the smaller ones."""
        with self._lock:
            series = sorted((labels, list(counts), self._sums[labels]) for labels, counts in self._counts.items())
        for labels, counts, total in series:
            below = 0
            for bound, count in zip((*self._bounds, float("inf")), counts, strict=True):
                below += count
                yield self._sample(labels, below, "_bucket", f'le="{_number(bound)}"')
            yield self._sample(labels, total, "_sum")
            yield self._sample(labels, below, "_count")


class Registry:
    """All metrics of a process.

    Example: `registry.counter("dure_fires_total", "Fires").add(); registry.render()`.
    """

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._lock = threading.Lock()

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
        """Answer the counter of this name, made at the first call."""
        return self._keep(Counter(name, help_text, labels))

    def gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Gauge:
        """Answer the gauge of this name, made at the first call."""
        return self._keep(Gauge(name, help_text, labels))

    def histogram(
        self, name: str, help_text: str, labels: Sequence[str] = (), *, bounds: Sequence[float] = SECONDS
    ) -> Histogram:
        """Answer the histogram of this name, made at the first call."""
        return self._keep(Histogram(name, help_text, labels, bounds=bounds))

    def render(self) -> str:
        """Answer everything in the Prometheus text format, version 0.0.4."""
        with self._lock:
            metrics = sorted(self._metrics.values(), key=lambda metric: metric.name)
        lines: list[str] = []
        for metric in metrics:
            help_text = metric.help_text.replace("\\", "\\\\").replace("\n", "\\n")
            lines += [
                f"# HELP {metric.name} {help_text}",
                f"# TYPE {metric.name} {metric.kind}",
                *metric.lines(),
            ]
        return "\n".join(lines) + "\n"

    def _keep(self, new: _M) -> _M:
        with self._lock:
            kept = self._metrics.setdefault(new.name, new)
        if not isinstance(kept, type(new)) or kept.label_names != new.label_names:
            raise ValueError(f"{new.name} is already a {kept.kind} with the labels {kept.label_names}")
        return kept


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)
