"""Turns raw results into the Markdown for docs/performance.md: medians, ratios, versions, settings."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Results = dict[str, dict[str, list[dict[str, float]]]]
"""peer → scenario → one result a round, each with the number of its "round"."""


@dataclass(frozen=True)
class Column:
    """One figure of one scenario, as a column of a table."""

    title: str
    scenario: str
    key: str
    relative_to: tuple[str, str] | None = None
    """Show it as a share of this other figure of the same peer and round, in per cent."""
    digits: int | None = None
    lower_is_better: bool = False


@dataclass(frozen=True)
class Table:
    """A heading, what it says, and its columns."""

    title: str
    note: str
    columns: tuple[Column, ...]


TABLES = (
    Table(
        "Throughput",
        "Jobs a second. A drain lasts from the start of the first handler until all completions are stored.",
        (
            Column("enqueue one by one", "enqueue_one", "rate"),
            Column("enqueue in bulk", "enqueue_bulk", "rate"),
            Column("enqueue by COPY", "enqueue_copy", "rate"),
            Column("drain, 1 process", "drain_1", "rate"),
            Column("drain, 2 processes", "drain_2", "rate"),
        ),
    ),
    Table(
        "From enqueue to start, idle",
        "Milliseconds from the producer's call in one process to the handler's start in another.",
        (
            Column("p50", "latency", "p50_ms", digits=1, lower_is_better=True),
            Column("p99", "latency", "p99_ms", digits=1, lower_is_better=True),
        ),
    ),
    Table(
        "What is left of the drain",
        "Per cent of the peer's own drain, one process, in the same round; by handlers where a million wait.",
        (
            Column("a million waiting", "backlog", "handler_rate", relative_to=("drain_1", "handler_rate")),
            Column("a reader's transaction open", "reader", "rate", relative_to=("drain_1", "rate")),
            Column("ten million finished", "history", "rate", relative_to=("drain_1", "rate")),
        ),
    ),
    Table(
        "What it costs",
        "CPU seconds for 1,000 no-op jobs and the worker's largest resident memory; one process drains.",
        (
            Column("worker CPU s", "drain_1", "worker_cpu_s", digits=3, lower_is_better=True),
            Column("server CPU s", "drain_1", "server_cpu_s", digits=3, lower_is_better=True),
            Column("worker memory MB", "drain_1", "rss_mb", lower_is_better=True),
        ),
    ),
    Table(
        "Start-up of a worker",
        "Seconds from starting the process until it would claim, by the number of handlers that it knows.",
        (
            Column("10 handlers", "startup", "handlers_10_s", digits=2, lower_is_better=True),
            Column("100 handlers", "startup", "handlers_100_s", digits=2, lower_is_better=True),
            Column("10,000 handlers", "startup", "handlers_10000_s", digits=2, lower_is_better=True),
        ),
    ),
)


@dataclass
class Run:
    """Everything that a report needs: what was measured, on what, and what took no part."""

    results: Results
    peers: dict[str, dict[str, Any]]
    """What each adapter's `info` answered, by peer."""
    machine: dict[str, Any]
    sizes: dict[str, Any]
    rounds: int
    absent: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    against: str = "dure"
    """Ratios are given against this peer."""


def value(results: Results, peer: str, column: Column) -> float | None:
    """The median over the rounds of one figure, or None when it was not measured."""
    figures = _by_round(results, peer, column.scenario, column.key)
    if column.relative_to:
        base = _by_round(results, peer, *column.relative_to)
        figures = {n: 100 * figure / base[n] for n, figure in figures.items() if base.get(n)}
    return statistics.median(figures.values()) if figures else None


def _by_round(results: Results, peer: str, scenario: str, key: str) -> dict[float, float]:
    rounds = results.get(peer, {}).get(scenario, [])
    return {r.get("round", i): r[key] for i, r in enumerate(rounds) if key in r}


def spread(results: Results, peer: str, column: Column) -> float | None:
    """The largest distance of a round from the median, as a share of it: how noisy the figure is."""
    figures = [r[column.key] for r in results.get(peer, {}).get(column.scenario, []) if column.key in r]
    if len(figures) < 2:
        return None
    middle = statistics.median(figures)
    return max(abs(figure - middle) for figure in figures) / middle if middle else None


def shown(figure: float | None, column: Column) -> str:
    """A figure as people read it: three significant digits, thousands apart."""
    if figure is None:
        return "–"
    if column.relative_to:
        return f"{figure:.0f} %"
    if column.digits is not None:
        return f"{figure:,.{column.digits}f}"
    magnitude = 10 ** max(0, len(str(int(abs(figure)))) - 3)
    return f"{round(figure / magnitude) * magnitude:,}"


def markdown(run: Run) -> str:
    """The whole report."""
    parts = [_preamble(run)]
    parts += [_table(run, table) for table in TABLES if _measured(run, table)]
    parts += [_ratios(run)] if run.against in run.results and len(run.results) > 1 else []
    parts += [_noise(run), _settings(run), _absent(run)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _preamble(run: Run) -> str:
    machine = ", ".join(f"{name} {text}" for name, text in run.machine.items())
    sizes = ", ".join(f"{name} {_size(size)}" for name, size in run.sizes.items())
    return f"Medians of {run.rounds} interleaved rounds. {machine}.\n\nSizes: {sizes}."


def _size(size: Any) -> str:
    return f"{size:,}" if isinstance(size, int | float) else str(size)


def _label(run: Run, peer: str) -> str:
    info = run.peers.get(peer, {})
    return info.get("name", peer) + ("" if info.get("keeps_rows", True) else " †")


def _measured(run: Run, table: Table) -> list[Column]:
    return [c for c in table.columns if any(value(run.results, peer, c) is not None for peer in run.results)]


def _table(run: Run, table: Table) -> str:
    columns = _measured(run, table)
    first = next((c for c in columns if c.scenario == "drain_1"), columns[0])
    peers = sorted(run.results, key=lambda peer: _order(value(run.results, peer, first), first))
    rows = [[_label(run, peer), *(shown(value(run.results, peer, c), c) for c in columns)] for peer in peers]
    mark = "\n\n† deletes the job's row on completion." if any("†" in row[0] for row in rows) else ""
    return f"### {table.title}\n\n{table.note}\n\n{_grid(['', *(c.title for c in columns)], rows)}{mark}"


def _order(figure: float | None, column: Column) -> float:
    if figure is None:
        return float("inf")
    return figure if column.lower_is_better else -figure


def _ratios(run: Run) -> str:
    """How many times better the peer of `against` is, figure by figure; more than 1 is in its favour."""
    columns = [c for table in TABLES for c in _measured(run, table) if c.scenario != "startup"]
    columns = [c for c in columns if c.relative_to is None]
    rows = []
    for peer in run.results:
        if peer != run.against:
            rows.append([_label(run, peer), *(ratio(run.results, run.against, peer, c) for c in columns)])
    title = f"### {_label(run, run.against)} against each, more than 1 in its favour"
    return f"{title}\n\n{_grid(['', *(c.title for c in columns)], rows)}"


def ratio(results: Results, ours: str, theirs: str, column: Column) -> str:
    """Ours to theirs, turned so that more than 1 is always better for ours."""
    mine, other = value(results, ours, column), value(results, theirs, column)
    if not mine or not other:
        return "–"
    return f"{other / mine if column.lower_is_better else mine / other:.2f}"


def _noise(run: Run) -> str:
    if run.rounds < 2:
        return ""
    spreads = []
    for peer in run.results:
        for column in TABLES[0].columns:
            if (noise := spread(run.results, peer, column)) is not None:
                spreads.append((noise, _label(run, peer), column.title))
    if not spreads:
        return ""
    worst, peer, title = max(spreads)
    middle = statistics.median(noise for noise, _, _ in spreads)
    return (
        f"A round lies at most {middle:.0%} from its median in half of the throughput figures, "
        f"and {worst:.0%} in the worst ({peer}, {title})."
    )


def _settings(run: Run) -> str:
    rows = []
    for peer, info in run.peers.items():
        settings = ", ".join(f"{name} {_plain(setting)}" for name, setting in info.get("settings", {}).items())
        jobs = f"{run.sizes.get('jobs', 0) * info.get('drain_scale', 1):,}"
        rows.append(
            [
                _label(run, peer),
                info.get("version", "?"),
                info.get("runtime", ""),
                info.get("handler", ""),
                jobs,
                settings,
            ]
        )
    return "### Versions and settings\n\n" + _grid(
        ["", "version", "runtime", "handler", "jobs a drain", "settings"], rows
    )


def _plain(setting: Any) -> str:
    return {True: "on", False: "off"}.get(setting, str(setting)) if isinstance(setting, bool) else str(setting)


def _absent(run: Run) -> str:
    lines = [f"* {peer} took no part: {reason}" for peer, reason in run.absent.items()]
    lines += [f"* {failure}" for failure in run.failures]
    return "### Not measured\n\n" + "\n".join(lines) if lines else ""


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(head), _row(["---"] * len(head))]
    return "\n".join(lines + [_row(row) for row in rows])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
