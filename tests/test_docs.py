"""The reference names everything that exists, and every link leads somewhere."""

import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer.main

import dure
from dure.cli.main import build
from dure.db.pool import Database
from dure.errors import DureError
from dure.http.app import create_app
from dure.http.services import Services
from dure.metrics import Registry
from dure.settings import PREFIX, Settings

pytestmark = pytest.mark.own_server

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# This machine's own tests set some; the defaults are what holds without.
SHOWN = {True: "true", False: "false", None: "none", (): "none"}


def reference(page: str) -> str:
    return (DOCS / "reference" / f"{page}.md").read_text(encoding="utf-8")


def test_every_setting_is_described_with_its_default():
    text = reference("settings")
    rows = dict(re.findall(r"^\| `(DURE_[A-Z_]+)` \| (?:`)?(.*?)(?:`)? \|", text, re.MULTILINE))
    wanted = {PREFIX + name.upper(): field for name, field in Settings.model_fields.items()}
    assert wanted.keys() - rows.keys() == set()
    assert rows.keys() - wanted.keys() == {"DURE_TENANT"}
    for name, field in wanted.items():
        if field.default_factory is None:
            default = field.default
            shown = f"{default:g}" if isinstance(default, float) else SHOWN.get(default, str(default))
            if isinstance(default, int) and not isinstance(default, bool):
                shown = str(default)
            assert rows[name] == shown, name


def test_every_command_is_described():
    missing = [words for words in commands() if f"`dure {words}" not in reference("cli")]
    assert missing == []


def test_every_option_is_described():
    text = reference("cli")
    root = typer.main.get_command(build())
    missing = {
        (words, option)
        for words in commands()
        for parameter in command_of(root, words).params
        for option in parameter.opts
        if option.startswith("--") and f"`{option}" not in text
    }
    assert missing == set()


def test_every_route_is_described(database_never_opened):
    settings = Settings(database_url="postgresql://localhost/none")
    paths = create_app(Services.of(settings, database_never_opened, Registry())).openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    described = set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", reference("http"), re.MULTILINE))
    assert described == routes


def test_every_error_code_is_described():
    for module in pkgutil.walk_packages(dure.__path__, "dure."):
        # What belongs to a framework is imported by its projects only, and has no errors of its own.
        if not module.name.endswith("__main__") and not module.name.startswith("dure.contrib."):
            importlib.import_module(module.name)
    ours = {kind.code: kind for kind in kinds(DureError) if kind.__module__.startswith("dure.")}
    text = reference("http")
    described = set(re.findall(r"^\| `([a-z_]+)` \|", text, re.MULTILINE))
    assert described == ours.keys()


def test_every_public_name_has_an_example():
    text = reference("python")
    headings = {name.strip() for heading in HEADING.findall(text) for name in heading.split(",")}
    assert set(dure.__all__) <= headings


def test_every_make_target_is_described():
    targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [target for target in targets if f"| `make {target}` |" not in reference("make")] == []


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for names in project["optional-dependencies"].values() for name in names]
    names = [re.split(r"[>=;\s]", wanted)[0] for wanted in [*project["dependencies"], *extras]]
    text = (DOCS / "decisions" / "0007-dependencies.md").read_text()
    assert [name for name in names if f"| `{name}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_index_reaches_every_page():
    reached, new = set(), {DOCS / "README.md"}
    while new:
        page = new.pop()
        reached.add(page)
        links = LINK.findall(page.read_text(encoding="utf-8"))
        found = {(page.parent / link.partition("#")[0]).resolve() for link in links if not re.match(r"[a-z]+:|#", link)}
        new |= {target for target in found if target.suffix == ".md" and DOCS in target.parents} - reached
    # Written after measuring, by whoever measured.
    assert set(DOCS.rglob("*.md")) - reached <= {DOCS / "performance.md"}


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_python_on_a_page_runs(page):
    # One after the other, as a reader would: a later block may go on with an earlier one.
    names = {"__name__": page.stem}
    for number, block in enumerate(PYTHON.findall(page.read_text(encoding="utf-8"))):
        code = compile(block, f"{page.name}[{number}]", "exec")
        # What needs an argument or the reader's own module is run by hand; it must at least be Python.
        if "sys.argv" not in block and "from myapp" not in block:
            exec(code, names)


@pytest.fixture
def database_never_opened():
    return Database("postgresql://localhost/none")


def commands() -> list[str]:
    """Every command, as words: `jobs enqueue`."""
    return sorted(words for words, command in walk(typer.main.get_command(build()), ()) if not is_group(command))


def walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(words), command
    if is_group(command):
        for name, child in command.commands.items():
            yield from walk(child, (*words, name))


def is_group(command: click.Command) -> bool:
    return hasattr(command, "commands")


def command_of(command: click.Command, words: str) -> click.Command:
    for word in words.split():
        command = command.commands[word]
    return command


def kinds(kind: type[DureError]) -> Iterator[type[DureError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as web pages of Markdown name them."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    plain = [re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower() for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}
