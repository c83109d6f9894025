import asyncio, sys, io
from test_a2a_bridge import *
async def one(database, n):
    name=f"far{n}"
    async with elsewhere() as there:
        await known(database, there, name, capabilities=(f"cap{n}",))
        async def mk(text):
            new = NewTask(params={"text": text}, needs=Need(capabilities=(f"cap{n}",)))
            return (await tasks_of(database).submit(TENANT, new, actor="kim")).id
        async with bridged(database):
            waiting = await mk("wait")
            await there.doer.begun.wait()
            async def noted():
                return await rows(database, f"select from dure.a2a_remote where agent_id='{name}'")
            await until(noted)
        assert (await tasks_of(database).get(TENANT, waiting)).state == "pending"
        async with bridged(database):
            there.doer.go_on.set()
            assert (await ended(database, waiting)).result["text"] == "did wait"
    await rows(database, f"update dure.agent set retired_at=now(), epoch=null where agent_id='{name}'")
async def test_loop(database):
    for n in range(60):
        t=asyncio.create_task(one(database,n), name=f"main{n}")
        done,_=await asyncio.wait({t}, timeout=15)
        if not done:
            print("HANG at", n)
            for task in asyncio.all_tasks():
                task.print_stack(file=sys.stdout)
            raise AssertionError("hang")
        t.result()
