"""Which handlers there are, what is said of them, and importing each when its first job comes."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from dure.db.pool import Database
from dure.errors import Invalid, UnknownHandler
from dure.queue import registry as module
from dure.queue.registry import HandlerImportError, Rate, Registry, handler
from queueing import ask, ended, job, known, make, one, rows, running, until

pytestmark = pytest.mark.own_server

if TYPE_CHECKING:
    from nowhere import Elsewhere


class Mail(BaseModel):
    to: str


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for modules that only this test imports."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def test_what_is_declared_reaches_the_declaration():
    @handler(
        "mail.send", queue="mail", max_retries=5, timeout_s=7, rate=Rate(100, per_s=60), key="to", concurrency_per_key=2
    )
    async def send(params: Mail) -> None:
        """Sends a letter.

        And more about it.
        """

    (said,) = [spec.declaration() for spec in Registry([send]).described()]
    assert (said["queue"], said["max_retries"], said["timeout_s"], said["rate_max"]) == ("mail", 5, 7, 100)
    assert (said["key_from"], said["key_concurrency_max"], said["description"]) == ("to", 2, "Sends a letter.")
    assert said["params_schema"]["required"] == ["to"]


def test_how_a_handler_wants_to_be_called():
    async def nothing() -> None: ...
    def params(params: dict[str, Any]) -> None: ...
    async def both(params: Mail, ctx: "Elsewhere") -> None: ...
    async def named(params: "Mail", *, tries: int = 3) -> None: ...
    def open_ended(params: dict[str, Any], *args: Any, **options: Any) -> None: ...

    found = {
        function.__name__: Registry([handler(f"t.{function.__name__}")(function)]).find(f"t.{function.__name__}")
        for function in (nothing, params, both, named, open_ended)
    }
    assert [(one.arity, one.kind, one.model) for one in found.values()] == [
        (0, "loop", None), (1, "thread", None), (2, "loop", Mail), (1, "loop", Mail), (1, "thread", None),
    ]  # fmt: skip


def test_what_cannot_be_a_handler_says_so():
    def too_many(params: Any, ctx: Any, more: Any) -> None: ...
    def unknown_model(params: "Elsewhere") -> None: ...
    def closure() -> None: ...

    for function, options in ((too_many, {}), (unknown_model, {}), (closure, {"isolate": "process"})):
        registry = Registry([handler("t.wrong", **options)(function)])
        # The start of a worker, which declares all, is not stopped by it.
        assert registry.described()[0].declaration()["params_schema"] is None
        with pytest.raises(HandlerImportError, match=r"t\.wrong"):
            registry.find("t.wrong")
    for name in ("", "Mail", "mail..send", "mail send", "x" * 201):
        with pytest.raises(Invalid) as caught:
            Registry(entries={name: "a:b"})
        assert caught.value.reason == "wrong_format"


def test_one_name_is_one_handler():
    def first() -> None: ...
    def second() -> None: ...

    with pytest.raises(Invalid) as caught:
        Registry([handler("t.same")(first), handler("t.same")(second)])
    assert caught.value.reason == "already_exists"
    with pytest.raises(UnknownHandler):
        Registry().find("t.same")


def test_a_marked_function_says_more_than_its_entry_in_a_table(package: Path):
    (package / "shop.py").write_text(
        "from dure.queue.registry import handler\n"
        "@handler('shop.buy', queue='shop', max_retries=0)\n"
        "async def buy(): ...\n"
        "HANDLERS = {'shop.buy': 'shop:buy'}\n"
    )
    (said,) = [spec.declaration() for spec in Registry.build(["shop"]).described()]
    assert (said["queue"], said["max_retries"]) == ("shop", 0)


def test_an_object_that_answers_to_every_name_is_no_handler():
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return self

    modules = ModuleType("modules")
    modules.anything = Anything()
    registry = Registry()
    registry.collect(modules)
    assert registry.names() == []


def test_an_allowed_module_that_is_not_there_is_named():
    with pytest.raises(Invalid) as caught:
        Registry.build(["no_such_module_at_all"])
    assert caught.value.field == "DURE_IMPORTS"


async def test_ten_thousand_entries_start_fast_and_import_nothing(database: Database):
    registry = Registry(entries={f"many.h{n}": f"no_such_package.m{n}:run" for n in range(10_000)})
    before = set(sys.modules)
    first = make(database, registry)
    await first.start()
    await first.stop()
    began = time.perf_counter()
    worker = make(database, registry)
    await worker.start()
    took_s = time.perf_counter() - began
    await worker.stop()
    assert took_s < 1
    assert not [name for name in set(sys.modules) - before if name.startswith("no_such_package")]
    assert await one(database, "select count(*) from dure.handler where handler like 'many.%%'") == 10_000


async def test_an_import_error_fails_the_jobs_of_its_handler_and_nothing_else(database: Database, package: Path):
    (package / "good.py").write_text("async def run(params):\n    return {'n': params['n']}\n")
    (package / "bad.py").write_text("import nothing_of_this_name\n")
    (package / "leaves.py").write_text("import sys\nsys.exit('no licence')\n")
    (package / "empty.py").write_text("")
    entries = {"t.good": "good:run", "t.bad": "bad:run", "t.leaves": "leaves:run", "t.empty": "empty:run"}
    async with running(database, Registry(entries=entries)) as worker:
        found = {name: await ended(database, await ask(database, name, {"n": 1})) for name in entries}
        assert worker.health()["ok"]
    assert found.pop("t.good").result == {"n": 1}
    assert {one.state for one in found.values()} == {"failed"}
    assert {one.error_class for one in found.values()} == {"HandlerImportError"}
    assert "nothing_of_this_name" in str(found["t.bad"].error)
    assert "no licence" in str(found["t.leaves"].error)
    assert "no attribute 'run'" in str(found["t.empty"].error)


async def test_a_slow_import_holds_up_neither_other_jobs_nor_the_lease(database: Database, package: Path):
    (package / "heavy.py").write_text(
        "import pathlib, time\n"
        f"while not pathlib.Path({str(package / 'go')!r}).exists():\n"
        "    time.sleep(0.005)\n"
        "async def run():\n    ...\n"
    )
    (package / "light.py").write_text("async def run():\n    ...\n")
    registry = Registry(entries={"t.heavy": "heavy:run", "t.light": "light:run"})
    async with running(database, registry, lease_s=0.6) as worker:
        heavy = await ask(database, "t.heavy")
        await until(lambda: worker.health()["held"] == 1)
        assert (await ended(database, await ask(database, "t.light"))).state == "completed"
        before = await one(database, "select lease_until from dure.worker")
        await until(lambda: _renewed(database, before))
        (package / "go").touch()
        found = await ended(database, heavy)
        assert (found.state, found.attempt) == ("completed", 1)


async def test_a_worker_stopped_during_an_import_hands_its_jobs_back(database: Database, package: Path):
    (package / "stuck.py").write_text(
        f"import pathlib, time\nwhile not pathlib.Path({str(package / 'go')!r}).exists():\n    time.sleep(0.005)\n"
    )
    async with running(database, Registry(entries={"t.stuck": "stuck:run"})) as worker:
        job_id = await ask(database, "t.stuck")
        await until(lambda: worker.health()["held"] == 1)
        await worker.stop(0)
    (package / "go").touch()
    found = await job(database, job_id)
    assert (found.state, found.retry_count, found.crash_count) == ("pending", 0, 0)


async def test_a_failed_import_is_not_tried_for_each_job(
    database: Database, package: Path, monkeypatch: pytest.MonkeyPatch
):
    (package / "counted.py").write_text("import sys\nsys.tries = getattr(sys, 'tries', 0) + 1\nraise OSError('no')\n")
    monkeypatch.setattr(sys, "tries", 0, raising=False)
    registry = Registry(entries={"t.counted": "counted:run"})
    for _ in range(5):
        with pytest.raises(HandlerImportError, match="no"):
            registry.find("t.counted")
    assert sys.tries == 1
    monkeypatch.setattr(module, "IMPORT_AGAIN_S", -1.0)
    registry = Registry(entries={"t.counted": "counted:run"})
    for _ in range(2):
        with pytest.raises(HandlerImportError):
            registry.find("t.counted")
    assert sys.tries == 3


async def test_the_same_declaration_is_written_once(database: Database):
    @handler("t.one")
    async def first() -> None: ...

    await known(database, [first])
    written = await rows(database, "select xmin::text, declared_at from dure.handler")
    await known(database, [first])
    assert await rows(database, "select xmin::text, declared_at from dure.handler") == written


async def _renewed(database: Database, before: Any) -> bool:
    return bool(await one(database, "select lease_until > %s from dure.worker", [before]))
