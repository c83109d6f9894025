-- Sessions do not outlive a backup. Whatever was at work when it was made ends here: what it had in hand goes back into
-- line without counting as a crash, agents are dead until they register again, and who is below whom stays. The numbers of
-- sessions go on well beyond those given since then, so that nobody who still runs somewhere has the number of a new one.
do $dure_rest$
declare
    workers bigint := pg_get_serial_sequence('dure.worker', 'worker_id')::regclass::oid::bigint;
    open    bigint[];
    one     bigint;
    held    jsonb;
begin
    select coalesce(array_agg(w.worker_id order by w.worker_id), '{}') into open from dure.worker w
    where w.ended_at is null or exists (select from dure.claim c where c.worker_id = w.worker_id);
    foreach one in array open loop
        select coalesce(jsonb_agg(jsonb_build_object('id', j.id, 'claim_id', j.claim_id, 'outcome', 'released')), '[]') into held
        from dure.claim c cross join lateral unnest(c.job_ids) as i(id)
        join dure.job j on j.id = i.id and j.claim_id = c.claim_id and j.state = 'processing'
        where c.worker_id = one;
        perform dure.settle(held, array(select claim_id from dure.claim where worker_id = one));
    end loop;
    update dure.worker set ended_at = dure.now(), end_reason = 'stopped', listening = false, running = 0
    where worker_id = any (open) and ended_at is null;
    perform setval(workers::regclass, nextval(workers::regclass) + 1000000);
    if to_regclass('dure.agent') is not null then
        update dure.agent_link l set state = 'disconnected', disconnected_at = dure.now() from dure.agent a
        where a.epoch is not null and l.tenant_id = a.tenant_id and l.child_id = a.agent_id and l.state = 'connected';
        perform dure.unassign(tenant_id, agent_id, 'agent_died') from dure.agent where epoch is not null;
        update dure.agent set epoch = null, died_at = dure.now() where epoch is not null;
    end if;
    if to_regclass('dure.listening') is not null then
        delete from dure.listening;
    end if;
end
$dure_rest$
