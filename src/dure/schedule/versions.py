"""Which time-zone data and which cronsim decide when a schedule fires here."""

from importlib.metadata import version
from pathlib import Path
from zoneinfo import TZPATH

FILE = "tzdata.zi"
MARK = "# version "


def versions() -> dict[str, str]:
    """Answer the versions of the time-zone data in use and of cronsim. Example: `versions()["cronsim"]`."""
    return {"tzdata": zone_data_version(), "cronsim": version("cronsim")}


def zone_data_version(paths: tuple[str, ...] = TZPATH) -> str:
    """Answer the version of the time-zone data that Python reads: the system's if it has any, else the package's.

    Example: `zone_data_version()`.
    """
    for place in map(Path, paths):
        if (place / "UTC").exists() or (place / "Etc" / "UTC").exists():
            return _stated(place / FILE) or f"? ({place})"
    return version("tzdata")


def _stated(file: Path) -> str | None:
    try:
        with file.open(encoding="utf-8") as lines:
            first = lines.readline()
    except OSError:
        return None
    return first.removeprefix(MARK).strip() if first.startswith(MARK) else None
