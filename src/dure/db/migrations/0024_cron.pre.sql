-- The switch of the older queue: `cron.job`, `UPDATE cron.job SET active = …` and `cron.job_run_details`, where pg_cron is not.
--
-- Jobs of intents begin at once. The minute's tick is only a safety net, and off until somebody switches it on: on is the tick and
-- the queue `intents`, off is neither. Where pg_cron could be installed its schema's name is left free for it, and these views are
-- made when somebody asks for them: select dure.make_cron_face().

alter table dure.schedule add column if not exists cron_no bigint generated always as identity;

insert into dure.handler (handler, queue, description, max_retries)
values ('dure.intents.tick', 'default', 'The safety net of intents: brings into line what is due, and wakes workers.', 0)
on conflict (handler) do nothing;

create or replace function dure.switch_intents(p_on boolean, p_actor text default 'sql') returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not dure.is_system() then
        perform dure.raise_error('refused', 'active', 'the switch is for the whole installation: only its operators may use it');
    end if;
    perform pg_advisory_xact_lock(hashtext('dure.switch_intents'), 0);
    insert into dure.queue (queue, paused_at, paused_by)
    values ('intents', case when not p_on then dure.now() end, case when not p_on then p_actor end)
    on conflict (queue) do update set paused_at = excluded.paused_at, paused_by = excluded.paused_by;
    update dure.schedule set paused_at = case when not p_on then dure.now() end, paused_by = case when not p_on then p_actor end,
        next_fire_at = date_trunc('minute', dure.now()) + interval '1 minute', revision = revision + 1, updated_at = dure.now()
    where tenant_id = 'default' and name = 'worker-process-job' and deleted_at is null;
    if not found and p_on then
        insert into dure.schedule (tenant_id, name, rule, zone, handler, catch_up, next_fire_at, author)
        values ('default', 'worker-process-job', '{"kind": "cron", "expr": "* * * * *"}', 'UTC', 'dure.intents.tick', 'latest',
                date_trunc('minute', dure.now()) + interval '1 minute', p_actor);
    end if;
    perform dure.record(p_actor, case when p_on then 'intents.enable' else 'intents.disable' end, 'queue intents', '{}', null);
    if p_on then
        perform dure.wake();
    end if;
    return p_on;
end $$;

-- Whether the tick is on, and whether the queue runs.
create or replace function dure.intents_switch(out ticking boolean, out running boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select exists (select from dure.schedule where tenant_id = 'default' and name = 'worker-process-job' and deleted_at is null and paused_at is null),
           not exists (select from dure.queue where queue = 'intents' and paused_at is not null)
$$;

create or replace function dure.cron_job_update() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if tg_op <> 'UPDATE' or old.jobname <> 'worker-process-job' or (to_jsonb(new) - 'active') is distinct from (to_jsonb(old) - 'active') then
        perform dure.raise_error('refused', 'cron.job',
            'of cron.job only the switch of worker-process-job is changed by UPDATE; for schedules use dure schedules');
    end if;
    perform dure.switch_intents(new.active, 'cron.job');
    return new;
end $$;

-- Makes the views, unless pg_cron is here, or could be, or somebody else has the name.
create or replace function dure.make_cron_face(p_asked boolean default true) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_with text := case when current_setting('server_version_num')::integer >= 150000 then 'with (security_invoker = true)' else '' end;
begin
    if exists (select from pg_extension where extname = 'pg_cron') or to_regclass('cron.job') is not null
       or (not p_asked and exists (select from pg_available_extensions where name = 'pg_cron'))
       or (to_regnamespace('cron') is null and not has_database_privilege(current_database(), 'create')) then
        return false;
    end if;
    if to_regnamespace('cron') is null then
        create schema cron;
        comment on schema cron is 'Dure: views for older programs.';
    elsif obj_description(to_regnamespace('cron'), 'pg_namespace') is distinct from 'Dure: views for older programs.' then
        raise warning 'the schema cron is not Dure''s: its views there are not made.';
        return false;
    end if;
    execute format($view$
        create view cron.job %1$s as
        select 1::bigint as jobid, '* * * * *'::text as schedule, 'select dure.promote(), dure.wake()'::text as command,
               'localhost'::text as nodename, current_setting('port')::integer as nodeport, current_database()::text as database,
               current_user::text as username, (select ticking from dure.intents_switch()) as active, 'worker-process-job'::text as jobname
        union all
        select 1 + s.cron_no, coalesce(s.rule ->> 'expr', s.rule::text), coalesce(s.handler, s.operation), 'localhost',
               current_setting('port')::integer, current_database()::text, s.author, s.paused_at is null and s.disabled_at is null, s.name
        from dure.schedule s
        where s.deleted_at is null and s.window_id is null and not (s.tenant_id = 'default' and s.name = 'worker-process-job')
          and ((select dure.is_system()) or s.tenant_id = (select dure.tenant_id())) $view$, v_with);
    execute format($view$
        create view cron.job_run_details %1$s as
        select case when s.tenant_id = 'default' and s.name = 'worker-process-job' then 1 else 1 + s.cron_no end as jobid,
               (extract(epoch from f.fire_at) * 1000)::bigint as runid, null::integer as job_pid, current_database()::text as database,
               s.author as username, coalesce(s.handler, s.operation) as command,
               case j.state when 'pending' then 'starting' when 'processing' then 'running' when 'completed' then 'succeeded' else 'failed' end as status,
               coalesce(j.error, j.result::text, '') as return_message, j.started_at as start_time, j.finished_at as end_time
        from dure.fire f join dure.schedule s on s.id = f.schedule_id join dure.job j on j.id = f.job_id
        where f.outcome = 'made' and ((select dure.is_system()) or s.tenant_id = (select dure.tenant_id())) $view$, v_with);
    create trigger only_the_switch instead of insert or update or delete on cron.job
        for each row execute function dure.cron_job_update();
    grant usage on schema cron to dure_app, dure_system;
    grant select on cron.job, cron.job_run_details to dure_app;
    grant select, insert, update, delete on cron.job to dure_system;
    grant select on cron.job_run_details to dure_system;
    return true;
end $$;

create or replace function dure.make_faces() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform dure.make_job_face();
    perform dure.make_knowledge_faces();
    perform dure.make_notion_faces();
    perform dure.make_agent_faces();
    perform dure.make_pattern_face();
    perform dure.make_cron_face(false);
end $$;
do $$ begin perform dure.make_cron_face(false); end $$;

revoke all on all functions in schema dure from public;
grant execute on all functions in schema dure to dure_system;
grant execute on function dure.intents_switch to dure_app;
