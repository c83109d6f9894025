"""`dure db backup`, `restore`, `verify` as people and scripts run them: what they print, their exit codes, bad days."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from commands import Quick
from dure.db.backup import LATEST
from saving import contents, fill


@pytest.fixture
def saved_to(tmp_path: Path) -> Path:
    return tmp_path / "backups" / "schema"


@pytest.fixture
def dure(url: str, tmp_path: Path) -> Quick:
    return Quick(tmp_path / "home", DURE_DATABASE_URL=url)


def change(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode(), prepare=False)


class TestBackup:
    def test_saved_dropped_restored_and_proved(self, dure, url, saved_to):
        fill(url)
        before = contents(url)
        made = dure.json("db", "backup", "--dir", str(saved_to))
        assert Path(made["path"]).resolve() == (saved_to / LATEST).resolve()
        assert {one["table"]: one["rows"] for one in made["tables"]} == {
            name: count for name, (count, _) in before.items() if "_20" not in name and name != "message_other"
        }
        change(url, "drop schema dure cascade")
        assert dure.json("db", "verify", "--no-backup", code=1)["problems"] == [
            "The database has no schema dure. Run dure db migrate."
        ]
        said = dure.run("db", "restore", str(saved_to / LATEST), "--yes").stdout
        assert f"{made['rows']} rows" in said
        assert contents(url) == before
        assert dure.json("db", "backup", "--dir", str(saved_to))["tables"] == made["tables"]
        proved = dure.json("db", "verify", "--dir", str(saved_to))
        assert (proved["ok"], proved["backup"]["ok"], proved["backup"]["rows"]) == (True, True, made["rows"])

    def test_over_data_it_asks_and_says_where_that_went(self, dure, url, saved_to):
        path = dure.json("db", "backup", "--dir", str(saved_to))["path"]
        assert dure.error("db", "restore", path, code=2)["errors"][0]["field"] == "--yes"
        change(url, "insert into dure.setting (name, value) values ('mine', '1')")
        answer = dure.json("db", "restore", path, "--yes")
        assert Path(answer["saved_before"]).parent == saved_to
        assert answer["saved_before"] != path
        assert dure.json("db", "restore", answer["saved_before"], "--yes")["rows"] == answer["rows"] + 1

    def test_a_full_disk_leaves_nothing_behind_and_the_last_backup_in_its_place(self, url, tmp_path, saved_to):
        shell = Quick(tmp_path / "home", DURE_DATABASE_URL=url)
        kept = shell.json("db", "backup", "--dir", str(saved_to))["path"]
        done = subprocess.run(
            [sys.executable, "-m", "dure", "db", "backup", "--dir", str(saved_to), "--json"],
            env=shell.environment,
            capture_output=True,
            text=True,
            timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        )
        assert done.returncode == 1, done.stderr
        assert json.loads(done.stderr.splitlines()[-1])["code"] == "backup"
        assert sorted(os.listdir(saved_to)) == sorted([Path(kept).name, LATEST])
        assert (saved_to / LATEST).resolve() == Path(kept).resolve()


class TestVerify:
    def test_all_is_named(self, dure, saved_to):
        said = dure.run("db", "verify", "--dir", str(saved_to)).stdout
        for name in (
            "agent_registry, agent_hierarchy, agent_versions, realtime_channels, distributed_tasks",
            "agent_communication_logs, agent_performance_history",
            "agents.discovery, agents.heartbeat, tasks.distribution, system.health",
            "test-system v1.0.0, orchestrator v2.1.0, executor v1.8.3, indexing v1.7.1, research v1.9.0",
            "uuid-ossp",
            "pg_trgm",
            "There is no backup in",
        ):
            assert name in said
        korean = dure.run("db", "verify", "--dir", str(saved_to), DURE_LANG="ko").stdout
        assert "테이블: agent_registry" in korean

    def test_what_is_missing_is_named(self, dure, url):
        change(
            url,
            "drop view public.agent_versions",
            "drop view public.agent_registry; create table public.agent_registry (id int)",
            "delete from dure.channel where name = 'system.health'",
            "delete from dure.release where class = 'executor'",
            "drop index dure.agent_class",
        )
        found = dure.json("db", "verify", "--no-backup", code=1)
        things = [*found["tables"], *found["indexes"]["named"], *found["channels"], *found["releases"]]
        wrong = {one["name"]: one["state"] for one in things if one["state"] != "ok"}
        assert wrong == {
            "agent_registry": "taken",
            "agent_versions": "missing",
            "agent_class": "missing",
            "system.health": "missing",
            "executor v1.8.3": "missing",
        }
        said = dure.run("db", "verify", "--no-backup", code=1).stdout
        assert all(name in said for name in wrong)

    def test_a_spoilt_backup_is_no_good_news(self, dure, saved_to):
        path = Path(dure.json("db", "backup", "--dir", str(saved_to))["path"])
        path.write_bytes(path.read_bytes()[:-1])
        found = dure.json("db", "verify", "--dir", str(saved_to), code=1)
        assert (found["ok"], found["backup"]["reason"]) == (False, "cut_short")
        path.unlink()
        assert dure.json("db", "verify", "--dir", str(saved_to), code=1)["backup"]["reason"] == "unreadable"

    def test_in_an_old_database(self, dure, url):
        change(url, "delete from dure.migration where number = (select max(number) from dure.migration)")
        assert "has not been applied" in dure.json("db", "verify", "--no-backup", code=1)["problems"][0]
