-- What people ask of jobs that are there: cancel, try again, wait for others; and what is removed in the end.

-- One job of the caller's tenant, or of any tenant for the system; not_found otherwise.
create or replace function dure.own_job(p_id uuid) returns dure.job
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_job dure.job;
begin
    select * into v_job from dure.job where id = p_id;
    if not found or (dure.tenant_id() is not null and v_job.tenant_id <> dure.tenant_id())
       or (dure.tenant_id() is null and not dure.is_system()) then
        perform dure.raise_error('not_found', 'id', format('there is no job %s', p_id), jsonb_build_object('what', 'job', 'id', p_id));
    end if;
    return v_job;
end $$;

-- Cancels a job and its open descendants. A waiting job is cancelled at once; a running one is asked to stop, and
-- its worker does the rest. Answers the job's state after the call.
create or replace function dure.cancel(p_id uuid, p_reason text default 'cancelled by request') returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_job  dure.job := dure.own_job(p_id);
    v_tree uuid[];
    v_row  record;
begin
    if v_job.state not in ('pending', 'processing') then
        perform dure.raise_error('conflict', 'id', format('job %s is %s already', p_id, v_job.state),
                                 jsonb_build_object('reason', 'wrong_state', 'state', v_job.state, 'wanted', 'pending, processing'));
    end if;
    with recursive tree as (
        select p_id as id
        union
        select j.id from tree t join dure.job j on j.parent_id = t.id
    )
    select array_agg(id) into v_tree from tree;
    perform dure.end_jobs(v_tree, 'cancelled', 'Cancelled', left(p_reason, 2000));
    for v_row in
        update dure.job set cancel_requested_at = dure.now(), linked = true
        where id = any (v_tree) and state = 'processing' and cancel_requested_at is null returning id, worker_id
    loop
        insert into dure.cancellation (job_id, worker_id, reason) values (v_row.id, v_row.worker_id, left(p_reason, 2000))
        on conflict (job_id) do update set worker_id = excluded.worker_id;
        perform pg_notify('dure_cancel', v_row.worker_id::text);
    end loop;
    return (select state from dure.job where id = p_id);
end $$;

-- Gives a job that failed, was cancelled or is quarantined a new life: same id, counts from zero.
create or replace function dure.retry(p_id uuid) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_job    dure.job := dure.own_job(p_id);
    v_holder uuid;
    v_open   integer;
begin
    update dure.unique_key set until = null
    where tenant_id = v_job.tenant_id and handler = v_job.handler and unique_key = v_job.unique_key and job_id = p_id
      and v_job.state in ('failed', 'cancelled', 'quarantined');
    if not found and v_job.unique_key is not null and v_job.state <> 'completed' then
        select k.holder into v_holder
        from dure.take_keys(v_job.tenant_id, v_job.handler, array[v_job.unique_key], array[p_id], 0) k;
        if v_holder <> p_id then
            perform dure.raise_error('conflict', 'unique_key', format('job %s holds the unique_key now', v_holder),
                                     jsonb_build_object('reason', 'in_use', 'id', v_holder));
        end if;
    end if;
    -- What it depended on and has ended otherwise than asked is forgotten: that is what the retry overrules. What is
    -- still open is waited for.
    perform from dure.job where id in (select depends_on_id from dure.dependency where job_id = p_id and not met)
    order by id for no key update;
    delete from dure.dependency d where d.job_id = p_id and not d.met
        and not exists (select from dure.job o where o.id = d.depends_on_id and o.state in ('pending', 'processing'));
    select count(*) into v_open from dure.dependency where job_id = p_id and not met;
    update dure.job set state = 'pending', finished_at = null, retry_count = 0, crash_count = 0, blocked_by = v_open, run_at = null,
        deadline_at = null, cancel_requested_at = null, claim_id = null, error_class = null, error = null
    where id = p_id and state in ('failed', 'cancelled', 'quarantined');
    if not found then
        perform dure.raise_error('conflict', 'id', format('job %s is %s', p_id, v_job.state),
                                 jsonb_build_object('reason', 'wrong_state', 'state', v_job.state, 'wanted', 'failed, cancelled, quarantined'));
    end if;
    delete from dure.trouble where job_id = p_id;
    perform dure.place(array[p_id]);
    perform dure.wake();
    return 'pending';
end $$;

-- Makes an existing waiting job depend on others too. The whole graph is locked for it, so that two callers cannot
-- close a cycle between them; new jobs need no such care, since nothing depends on them yet.
create or replace function dure.depend(p_id uuid, p_on uuid[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_job dure.job;
begin
    perform pg_advisory_xact_lock(hashtext('dure.depend'));
    v_job := dure.own_job(p_id);
    if dure.would_wait_for(p_on, p_id) then
        perform dure.raise_error('dependency_cycle', 'depends_on', format('job %s would depend on itself', p_id),
                                 jsonb_build_object('id', p_id));
    end if;
    perform dure.unplace(array[p_id]);
    select * into v_job from dure.job where id = p_id for update;
    if v_job.state <> 'pending' then
        perform dure.raise_error('conflict', 'id', format('job %s does not wait any more', p_id),
                                 jsonb_build_object('reason', 'wrong_state', 'state', v_job.state, 'wanted', 'pending'));
    end if;
    delete from dure.dependency where job_id = p_id and depends_on_id = any (p_on) and met;
    perform dure.depend_new(v_job.tenant_id, array[p_id], array(select distinct o from unnest(p_on) o order by 1));
end $$;

-- Removes what ended long ago, oldest first by the key (ids grow with time), from p_after on; answers where it
-- stopped, or NULL at the end. Short statements, so that a cleaning never holds anyone up.
create or replace function dure.prune(p_after uuid, p_keep_s double precision, p_keep_trouble_s double precision, p_most integer,
                                      out last_id uuid, out removed integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_now  timestamptz := dure.now();
    v_seen uuid[];
    v_old  uuid[];
begin
    v_seen := array(select id from dure.job where id > p_after
                    and id < dure.uuid7_at(v_now - make_interval(secs => least(p_keep_s, p_keep_trouble_s))) order by id limit p_most);
    -- A job whose key is still kept stays with it, because a repeat of the key answers with the job.
    v_old := array(select j.id from dure.job j where j.id = any (v_seen)
                   and j.finished_at < v_now - make_interval(secs => case j.state when 'completed' then p_keep_s else p_keep_trouble_s end)
                   and not exists (select from dure.unique_key u where u.job_id = j.id and u.until > v_now));
    delete from dure.unique_key where job_id = any (v_old);
    delete from dure.dependency where job_id = any (v_old);
    delete from dure.attempt where job_id = any (v_old);
    delete from dure.job_log where job_id = any (v_old);
    delete from dure.progress where job_id = any (v_old);
    delete from dure.trouble where job_id = any (v_old);
    delete from dure.job where id = any (v_old);
    removed := cardinality(v_old);
    last_id := case when cardinality(v_seen) = p_most then v_seen[p_most] end;
    if last_id is null then
        delete from dure.unique_key where ctid = any (array(
            select u.ctid from dure.unique_key u
            where u.until < v_now and not exists (select from dure.trouble t where t.job_id = u.job_id)
            order by u.until limit 100000 for update skip locked));
        delete from dure.idempotency where created_at < v_now - interval '24 hours';
        delete from dure.worker where ended_at < v_now - make_interval(secs => p_keep_trouble_s);
        delete from dure.limit l where l.limit_key <> '' and l.used_at < v_now - make_interval(secs => p_keep_trouble_s) - interval '2 days'
            and not exists (select from dure.held h where h.limit_id = l.limit_id)
            and not exists (select from dure.running r where r.limit_id = l.limit_id)
            and l.limit_id not in (
                select unnest(j.limit_ids) from dure.job j where j.state = 'pending' and j.id in (
                    select t.job_id from dure.later t union select d.job_id from dure.dependency d where not d.met));
    end if;
end $$;

grant execute on all functions in schema dure to dure_system;
grant execute on function dure.cancel, dure.retry, dure.depend to dure_app;
