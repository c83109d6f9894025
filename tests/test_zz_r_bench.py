import time
from rolling import *
from queueing import *
import pytest
@pytest.fixture
async def plan(database, clock): 
    return await planned(database, clock)
async def test_bench(plan):
    await plan.release("1.1.0")
    t=time.time()
    await rows(plan.database, "insert into dure.worker (name, host, pid, queues, version, lease_s, lease_until, tenant_id, agent_id) select 'w'||n, '', 0, '{agents}','1.0.0', 3600, dure.now()+interval '1h', 'acme', 'w'||n from generate_series(1,5000) n")
    await rows(plan.database, "insert into dure.agent (tenant_id,agent_id,class,version,trees,lease_s,epoch) select 'acme', agent_id, 'worker', '1.0.0', array[agent_id], 3600, worker_id from dure.worker where agent_id is not null")
    await rows(plan.database, "analyze")
    r=await plan.start(gates={}, max_parallel=100)
    for i in range(3):
        t=time.time(); await step(plan.database); print('step fleet 5000', time.time()-t)
    await rows(plan.database, "insert into dure.agent_sample (tenant_id,agent_id,class,version,kind,ok,latency_ms) select 'acme','w'||(1+n%%5000),'worker', case when n%%10=0 then '1.1.0' else '1.0.0' end,'task',true, 50+n%%200 from generate_series(1,100000) n", {})
    t=time.time(); n=await roll_up(plan.database); dt=time.time()-t; print('rollup', n, dt, n/dt)
    t=time.time(); n=await roll_up(plan.database); dt=time.time()-t; print('rollup idle', n, dt)
    await rows(plan.database, "insert into dure.agent_minute select tenant_id,class,minute+m*interval '1 min',version,agent_id,tasks_ok,tasks_failed,errors,leases_lost,latency from dure.agent_minute, generate_series(1,9) m")
    print(await one(plan.database,'select count(*) from dure.agent_minute'))
    await rows(plan.database, "analyze")
    for i in range(3):
        t=time.time(); await step(plan.database); print('step judged 10 min x 5000', time.time()-t)
    t=time.time(); await plan.metrics.of('acme', class_='worker', until_at=plan.clock.later(3600)); print('performance', time.time()-t)
