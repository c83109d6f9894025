import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from dure.errors import Invalid
from dure.settings import Settings, load, normalise_url

pytestmark = pytest.mark.own_server


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("DURE_", "DB_", "DATABASE_")):
            monkeypatch.delenv(name)


def test_defaults_need_no_environment():
    settings = load()
    assert settings.home == Path(".dure")
    assert settings.database_url is None
    assert (settings.lease_s, settings.poll_s, settings.port, settings.queues) == (30.0, 1.0, 8000, ())


def test_a_dotenv_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DURE_PORT=9\n")
    assert load().port == 8000


def test_environment_variables(monkeypatch):
    for name, value in {
        "DURE_HOME": "/srv/dure",
        "DURE_LEASE_S": "7.5",
        "DURE_DEMO": "1",
        "DURE_QUEUES": " mail , reports,",
        "DURE_IMPORTS": "shop.handlers",
        "DURE_LANG": "ko_KR.UTF-8",
        "DURE_LOG_LEVEL": "WARNING",
        "DURE_POOLER": "true",
        "DURE_PORT": "",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load()
    assert settings.home == Path("/srv/dure")
    assert (settings.lease_s, settings.demo, settings.pooler, settings.port) == (7.5, True, True, 8000)
    assert (settings.queues, settings.imports) == (("mail", "reports"), ("shop.handlers",))
    assert (settings.lang, settings.log_level) == ("ko", "warning")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DURE_LEASE_S", "0", "between 0.1 and 3600"),
        ("DURE_LEASE_S", "nan", "between 0.1 and 3600"),
        ("DURE_LEASE_S", "soon", "float"),
        ("DURE_PORT", "70000", "between 0 and 65535"),
        ("DURE_PREFETCH", "1.5", "int"),
        ("DURE_LOG_FORMAT", "xml", "'json'"),
        ("DURE_DATABASE_URL", "hunter2", "not a PostgreSQL connection string"),
        ("DURE_DATABASE_URL", "mysql://me:hunter2@db/app", "not a PostgreSQL connection string"),
        ("DURE_DATABASE_URL", "postgresql://me:hunter2@[db/app", "not a PostgreSQL connection string"),
    ],
)
def test_out_of_range_names_the_variable_and_the_range(name, value, told, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(Invalid) as caught:
        load()
    assert list(caught.value.fields) == [name]
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value) + repr(caught.value)


def test_all_mistakes_are_told_at_once(monkeypatch):
    monkeypatch.setenv("DURE_PORT", "x")
    monkeypatch.setenv("DURE_THREADS", "0")
    with pytest.raises(Invalid) as caught:
        load()
    assert set(caught.value.fields) == {"DURE_PORT", "DURE_THREADS"}


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        (
            {"DURE_DATABASE_URL": "postgresql://a@h/1", "DATABASE_URL": "postgresql://b@h/2"},
            "postgresql://a@h/1",
        ),
        ({"DATABASE_URL": "postgres://b@h/2", "DB_HOST": "h3"}, "postgresql://b@h/2"),
        ({"DB_HOST": "h3"}, "postgresql://postgres@h3:5432/postgres"),
        (
            {"DB_HOST": "h3", "DB_PORT": "6", "DB_USER": "u", "DB_PASSWORD": "p@s/s:w", "DB_NAME": "n"},
            "postgresql://u:p%40s%2Fs%3Aw@h3:6/n",
        ),
        ({"DB_HOST": "/run/pg", "DB_NAME": "n"}, "postgresql://postgres@%2Frun%2Fpg:5432/n"),
        ({"DB_HOST": "::1"}, "postgresql://postgres@[::1]:5432/postgres"),
        ({"DB_NAME": "n"}, None),
    ],
)
def test_where_the_database_is(environment, url, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load().database_url == url


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("postgres://a@h/d", "postgresql://a@h/d"),
        ("postgresql+psycopg://a@h/d", "postgresql://a@h/d"),
        ("postgresql+asyncpg://a:p%40@h/d?ssl=require", "postgresql://a:p%40@h/d?sslmode=require"),
        ("postgresql:///d?host=/run/x", "postgresql:///d?host=%2Frun%2Fx"),
        ("postgresql://h/d?pgbouncer=true", "postgresql://h/d"),
        ("postgresql://a@h/d?pgbouncer=true&connect_timeout=3", "postgresql://a@h/d?connect_timeout=3"),
        ("host=/tmp/x user=me", "host=/tmp/x user=me"),
    ],
)
def test_spellings_of_a_connection_string(given, read):
    assert normalise_url(given) == read


def test_an_explicit_none_means_the_embedded_server(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://b@h/2")
    assert Settings(database_url=None).database_url is None


def test_a_url_that_names_a_pooler_switches_to_its_mode(monkeypatch):
    assert Settings(database_url="postgresql://a@h:6543/d?pgbouncer=true").pooler
    assert not Settings(database_url="postgresql://a@h:6543/d?pgbouncer=true", pooler=False).pooler


def test_never_shows_the_password_and_never_changes():
    settings = Settings(database_url="postgresql://me:hunter2@db/app")
    assert "hunter2" not in repr(settings) + str(settings)
    with pytest.raises(ValidationError):
        settings.port = 1
