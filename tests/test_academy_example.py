"""The example of intents of one's own, asked as its README says."""

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

from dure.db.pool import Database
from dure.intents.catalogue import Catalogue
from dure.intents.declaring import MARK, Intent
from dure.intents.outbox import sending
from dure.intents.running import handlers
from dure.queue.registry import Registry
from dure.queue.views import Principal
from dure.runs.declaring import declare_operations
from dure.runs.jobs import handlers as run_handlers
from dure.runs.operation import Operations
from dure.runs.service import Runs
from intending import KIM, LEE, allow, ended, intents_of
from queueing import TENANT, make, rows, settings, until

FOLDER = Path(__file__).parents[1] / "examples" / "academy"
KEYS = ["school.exec.free_lockers", "school.exec.remind_lockers", "school.get.free_lockers"]


def school():
    spec = importlib.util.spec_from_file_location("school", FOLDER / "school.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_one_of_each_form(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DURE_OUTBOX_CHANNELS", f"sms=file://{tmp_path}")
    module = school()
    classes = [one for one in vars(module).values() if isinstance(getattr(one, MARK, None), Intent)]
    catalogue = Catalogue(marked=classes)
    assert [declared.key for declared in catalogue] == KEYS
    await rows(database, (FOLDER / "lockers.sql").read_text(encoding="utf-8"))
    await rows(database, "update public.locker set tenant_id = %s", [TENANT])
    await allow(database, "school.*")
    operations = Operations([module.FreeThem])
    await declare_operations(database, operations)
    registry = Registry(classes)
    for one in (*handlers(catalogue), *sending.handlers(), *run_handlers(database, settings(), operations)):
        registry.add(one)
    worker = make(database, registry)
    intents = intents_of(database, catalogue)

    async def ask(key: str, params: dict[str, int], who: Principal = KIM):
        asked = await intents.submit(TENANT, key, params, who)
        if asked.state == "waiting":
            asked = await intents.approve(TENANT, asked.id, LEE)
        return await ended(database, asked)

    await worker.start()
    try:
        assert (await ask(KEYS[2], {})).result == {"free": [5]}
        reminded = await ask(KEYS[1], {})
        assert [reminded.result[name] for name in ("done", "skipped", "failed")] == [2, 1, 0]
        (skipped,) = reminded.result["items"]["skipped"]
        assert (skipped["target"], skipped["reason"]) == ("locker:3", "박가람 has no phone number")

        await until(lambda: rows(database, "select from dure.outbox_message where state = 'sent' offset 1"))
        assert len(os.listdir(tmp_path)) == 2
        freed = await ask(KEYS[0], {"days": 30})
        assert (freed.state, freed.result["state"]) == ("completed", "applied")
        assert (await ask(KEYS[2], {})).result == {"free": [3, 4, 5]}
        runs = Runs(database, settings(), operations)
        back = await runs.rollback(TENANT, freed.result["run_id"], author="kim", then_apply=True)

        async def is_back() -> bool:
            return (await runs.get(TENANT, back.id)).state == "applied"

        await until(is_back)
    finally:
        await worker.stop(0)
    assert await rows(database, "select number from public.locker where holder is null") == [(5,)]


@pytest.mark.parametrize("page", ["README.md", "README.ko.md"])
def test_declarations_apart_from_their_code(page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (FOLDER / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n# (\w+)\.py, .*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in blocks] == ["catalogue", "school_bells"]
    for name, code in blocks:
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    known = Catalogue.build(["catalogue"])
    assert [declared.key for declared in known] == ["school.get.bells"]
    assert "school_bells" not in sys.modules, "the code comes with the first job"
    assert known.find("school.get.bells").form == "answer"
    for name, _ in blocks:
        monkeypatch.delitem(sys.modules, name)
