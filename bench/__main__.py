"""`python -m bench`: install the peers, measure them round by round, print the report."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import installation, report, server
from bench.driver import AdapterError, command
from bench.scenarios import FULL_ONLY, SCENARIOS, Bench, Sizes, measure

QUICK = Sizes(
    jobs=2_000,
    one=300,
    bulk=5_000,
    latency=50,
    backlog=20_000,
    history=20_000,
    reader_churn=0,
    drain_timeout_s=120,
)


def main() -> int:
    """Run the benchmark; the exit code is 1 when nothing could be measured."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers stop too
    sizes = _sizes(arguments)
    run = report.Run({}, {}, {}, dataclasses.asdict(sizes), arguments.rounds, against=arguments.against)
    with ExitStack() as stack:
        postgres = stack.enter_context(server.postgres())
        redis = stack.enter_context(server.redis()) if "celery" in arguments.peers else None
        run.machine = _machine(postgres, redis)
        benches = _open(arguments.peers, postgres, redis, sizes, run)
        for bench in benches.values():
            stack.callback(bench.close)
        for number in range(arguments.rounds):
            for name, bench in benches.items():
                _round(run, name, bench, arguments.scenarios, number)
                if arguments.json:
                    _save(arguments.json, run)
    print(report.markdown(run))
    return 0 if run.results else 1


def _round(run: report.Run, name: str, bench: Bench, scenarios: list[str], number: int) -> None:
    for scenario in scenarios:
        _say(f"round {number + 1}/{run.rounds}  {name}  {scenario}")
        try:
            result = measure(bench, scenario)
        except AdapterError as error:
            _say(f"  {error}")
            if str(error) not in run.failures:
                run.failures.append(str(error))
            continue
        if result is not None:
            run.results.setdefault(name, {}).setdefault(scenario, []).append({"round": number, **result})
            _say("  " + "  ".join(f"{key}={figure:,.4g}" for key, figure in result.items()))


def _open(
    names: list[str],
    postgres: server.Postgres,
    redis: server.Redis | str | None,
    sizes: Sizes,
    run: report.Run,
) -> dict[str, Bench]:
    benches = {}
    for name in names:
        _say(f"installing {name}")
        try:
            if name == "celery" and not isinstance(redis, server.Redis):
                raise installation.NotInstallableError(str(redis))
            adapter = installation.install(name)
            info = command(adapter, {}, "info")
        except (installation.NotInstallableError, AdapterError) as error:
            _say(f"  left out: {error}")
            run.absent[name] = str(error)
            continue
        run.peers[name] = info
        own_redis = redis if name == "celery" and isinstance(redis, server.Redis) else None
        benches[name] = Bench(adapter, info, postgres, own_redis, sizes)
    return benches


def _machine(postgres: server.Postgres, redis: server.Redis | str | None) -> dict[str, Any]:
    machine = {
        "PostgreSQL": f"{postgres.version} ({', '.join(f'{k} {v}' for k, v in postgres.settings.items())})",
        "cores": os.cpu_count(),
        "on": f"{platform.system()} {platform.machine()}",
    }
    if isinstance(redis, server.Redis):
        machine["Redis"] = f"{redis.version} (its default persistence)"
    return machine


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    every = installation.peer_names()
    parser.add_argument("--peers", type=_list, default=every, help=f"of {','.join(every)}")
    parser.add_argument("--scenarios", type=_list, help=f"of {','.join(SCENARIOS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=Sizes.jobs, help="jobs a drain (fast peers drain a multiple)")
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything work?")
    parser.add_argument("--full", action="store_true", help="also what takes very long: ten million finished jobs")
    parser.add_argument("--against", default="dure", help="the peer that ratios are given for")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write raw results here after every round")
    arguments = parser.parse_args()
    if unknown := set(arguments.scenarios or ()) - set(SCENARIOS):
        parser.error(f"unknown scenarios: {', '.join(sorted(unknown))}")
    if arguments.scenarios is None:
        arguments.scenarios = [name for name in SCENARIOS if arguments.full or name not in FULL_ONLY]
    return arguments


def _sizes(arguments: argparse.Namespace) -> Sizes:
    if arguments.quick:
        return dataclasses.replace(QUICK, jobs=min(QUICK.jobs, arguments.jobs))
    churn = 5 if arguments.full else Sizes.reader_churn
    return Sizes(jobs=arguments.jobs, reader_churn=churn)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _save(path: Path, run: report.Run) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dataclasses.asdict(run), indent=1))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
