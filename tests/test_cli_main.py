"""What all commands share: language, `--json`, exit codes, speed of the start."""

import json
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest

from dure.cli import failures, output, params, times
from dure.cli.main import app, split
from dure.errors import Invalid, NotFound
from dure.lang import catalogue

pytestmark = pytest.mark.own_server


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        app(list(arguments))
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


@pytest.mark.parametrize(
    ("line", "common", "rest"),
    [
        (["jobs", "list", "--json"], {"--json": ""}, ["jobs", "list"]),
        (["--json", "jobs", "list"], {"--json": ""}, ["jobs", "list"]),
        (["--lang", "ko", "doctor"], {"--lang": "ko"}, ["doctor"]),
        (["doctor", "--lang=ko"], {"--lang": "ko"}, ["doctor"]),
        (["db", "shell", "--", "--json"], {}, ["db", "shell", "--", "--json"]),
        (["jobs", "list", "--lang"], {"--lang": ""}, ["jobs", "list"]),
        (["x", "--json=1"], {}, ["x", "--json=1"]),
    ],
)
def test_options_that_may_stand_anywhere(line, common, rest):
    assert split(line) == (common, rest)


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_every_help_text_is_in_the_chosen_language(capsys, monkeypatch, lang):
    monkeypatch.setenv("DURE_LANG", "en")
    code, out, _ = run(capsys, "--lang", lang, "jobs", "enqueue", "--help")
    assert code == 0
    assert any("가" <= letter <= "힣" for letter in out) is (lang == "ko")


def test_every_help_text_is_used_and_there():
    files = Path(output.__file__).parent.glob("*.py")
    used = {part.split('"')[0] for file in files for part in file.read_text().split('text("')[1:]}
    there = {key.removeprefix("help.") for key in catalogue("en") if key.startswith("help.")}
    assert used - {"root", "jobs_list"} <= there
    assert there <= used


def test_usage_errors_exit_with_2(capsys):
    assert run(capsys, "jobs", "no-such-verb")[0] == 2
    assert run(capsys, "jobs", "list", "--limit", "0")[0] == 2
    assert run(capsys, "up", "--port", "70000")[0] == 2


def test_an_error_is_one_sentence_with_its_code(capsys, monkeypatch):
    monkeypatch.setenv("DURE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code, out, err = run(capsys, "--lang", "en", "jobs", "list")
    assert (code, out) == (1, "")
    assert err.startswith("database_unavailable: The database cannot be reached: ")
    assert len(err.splitlines()) == 1
    code, out, err = run(capsys, "--lang", "ko", "jobs", "list")
    assert "연결할 수 없습니다" in err


def test_an_error_as_json_goes_to_stderr(capsys, monkeypatch):
    monkeypatch.setenv("DURE_PORT", "99999")
    code, out, err = run(capsys, "doctor", "--json", "--lang", "en")
    problem = json.loads(err)
    assert (code, out) == (2, "")
    assert problem["code"] == "invalid"
    assert problem["errors"][0]["field"] == "DURE_PORT"


def test_a_bad_url_never_shows_its_password(capsys, monkeypatch):
    monkeypatch.setenv("DURE_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/none?nonsense=1")
    assert "hunter2" not in "".join(map(str, run(capsys, "jobs", "list")))


def test_version(capsys):
    code, out, _ = run(capsys, "version", "--json")
    assert code == 0
    assert json.loads(out).keys() >= {"dure", "python", "migration"}


def test_help_starts_quickly():
    # Generous, because other tests run beside it; the figure is reported and not judged closely.
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "dure", "--help"], check=True, capture_output=True)
    assert time.monotonic() - began < 5


def test_only_the_noun_that_runs_imports_the_heavy_parts():
    code = (
        "import sys, dure.cli.main; dure.cli.main.build();"
        " print(*[name for name in ('fastapi', 'uvicorn', 'rich.table') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_hangul_takes_two_columns():
    lines = output.lay_out([["이름", "x"], ["a", "y"]], None)
    assert [output.columns(line) for line in lines] == [7, 7]


def test_a_table_fits_a_narrow_terminal():
    lines = output.lay_out([["ID", "ERROR"], ["01a1fd3c-89a7-7f59-8411-27307d3315e7", "가" * 80]], 60)
    assert all(output.columns(line) <= 60 for line in lines)
    assert lines[1].endswith("…")


def test_letters_that_cannot_be_halved_stay_whole():
    assert unicodedata.is_normalized("NFC", output.lay_out([["a"], ["각" * 20]], 9)[1])


@pytest.mark.parametrize(
    ("text", "found"),
    [("30", 30), ("30s", 30), ("1.5h", 5400), ("2d", 172_800), ("100ms", 0.1), ("5 m", 300)],
)
def test_durations(text, found):
    assert times.seconds(text, "delay") == pytest.approx(found)


@pytest.mark.parametrize("text", ["", "soon", "5w", "-1", "1e9", "30 s x"])
def test_what_is_no_duration(text):
    with pytest.raises(Invalid):
        times.seconds(text, "delay")


def test_times():
    assert times.moment("2030-01-01T09:00:00+09:00", "run-at").isoformat().startswith("20")
    assert times.moment(None, "run-at") is None
    with pytest.raises(Invalid):
        times.moment("tomorrow", "run-at")


def test_params_from_a_file(tmp_path):
    (tmp_path / "p.json").write_text('{"name": "김"}')
    assert params.read_params(f"@{tmp_path}/p.json") == {"name": "김"}


@pytest.mark.parametrize(
    "text", ["[1]", "1", "{", "nonsense", '{"a": NaN}', "@/no/such/file", "[" * 100_000, '{"a": "\udcff"}']
)
def test_params_that_are_none(text):
    with pytest.raises(Invalid) as refused:
        params.read_params(text)
    assert refused.value.fields.keys() == {"params"}


def test_what_is_known_of_an_error():
    assert failures.known(NotFound("job", "1")).exit_code == 7
    assert failures.known(ZeroDivisionError()) is None
