-- What the knowledge app shows to older programs: three views by the names of their tables.
--
--   public.agent_knowledge_history  every change that a deduplication or its way back made, and what was copied into it
--   public.batch_job_history        the runs of knowledge.deduplicate, dry ones too, and their rollbacks
--   public.batch_job_backup         the records as they were before
--
-- All but the copied rows is read from the ledger of the runs, so nothing is written twice and nothing can disagree.

create table if not exists dure.knowledge_history (
    id               uuid primary key default dure.uuid7(),
    tenant_id        text collate "C" not null check (length(tenant_id) between 1 and 200),
    knowledge_type   text not null check (knowledge_type in ('MEMORY', 'DMN_RULE', 'SKILL')),
    knowledge_id     text not null check (length(knowledge_id) <= 2000),
    knowledge_name   text,
    agent_id         text,
    operation        text not null check (length(operation) between 1 and 100),
    previous_content jsonb,
    new_content      jsonb,
    feedback_content text,
    batch_job_id     text,
    created_at       timestamptz not null default dure.now()
);
comment on table dure.knowledge_history is 'What was inserted into the view public.agent_knowledge_history: the history of older systems.';
create index if not exists knowledge_history_agent on dure.knowledge_history (tenant_id, agent_id, created_at desc);
call dure.protect('dure.knowledge_history');
grant select on dure.knowledge_history to dure_app;
grant select, insert, update, delete on dure.knowledge_history to dure_system;

-- Which kind of knowledge a store of a run holds, by the columns that it had when the run was planned.
create or replace function dure.knowledge_type(p_stores jsonb, p_store text) returns text
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select case when s ->> 'place' = 'outside' then 'SKILL'
                when exists (select from jsonb_array_elements(s -> 'columns') c where c ->> 'name' = 'bpmn') then 'DMN_RULE'
                else 'MEMORY' end
    from jsonb_array_elements(p_stores) s where s ->> 'store' = p_store
$$;
grant execute on function dure.knowledge_type(jsonb, text) to dure_app, dure_system;

-- A record's image as JSON, by the names of its columns; without vectors, which nobody reads, unless they are wanted.
create or replace function dure.image_json(p_stores jsonb, p_store text, p_image text[], p_vectors boolean default false) returns jsonb
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select case when p_image is not null then (
        select jsonb_object_agg(
            coalesce(c.col ->> 'name', c.col #>> '{}'),
            case when c.col ->> 'base' in ('json', 'jsonb') then p_image[c.at]::jsonb else to_jsonb(p_image[c.at]) end)
        from jsonb_array_elements(s -> 'columns') with ordinality c(col, at)
        where p_vectors or coalesce(c.col ->> 'base', '') not in ('vector', 'halfvec', 'sparsevec')) end
    from jsonb_array_elements(p_stores) s where s ->> 'store' = p_store
$$;
grant execute on function dure.image_json(jsonb, text, text[], boolean) to dure_app, dure_system;

-- What a run is called by older programs.
create or replace function dure.batch_status(p_state text, p_dry_run boolean) returns text
language sql immutable parallel safe
return case when p_state in ('planning', 'applying') then 'running'
            when p_state in ('applied', 'empty') or (p_dry_run and p_state in ('planned', 'approved', 'expired')) then 'completed'
            when p_state in ('planned', 'approved') then 'waiting'
            else p_state end;
grant execute on function dure.batch_status(text, boolean) to dure_app, dure_system;

create or replace function dure.knowledge_history_insert() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into dure.knowledge_history (tenant_id, knowledge_type, knowledge_id, knowledge_name, agent_id, operation,
                                        previous_content, new_content, feedback_content, batch_job_id, created_at)
    values (dure.acting_tenant(coalesce(new.tenant_id, dure.tenant_id(), 'default')), new.knowledge_type, new.knowledge_id,
            new.knowledge_name, new.agent_id, new.operation, new.previous_content, new.new_content, new.feedback_content,
            new.batch_job_id, coalesce(new.created_at, dure.now()))
    returning id, tenant_id, created_at into new.id, new.tenant_id, new.created_at;
    return new;
end $$;
grant execute on function dure.knowledge_history_insert() to dure_app, dure_system;

create or replace function dure.knowledge_history_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform dure.raise_error('refused', tg_table_name, 'history is not changed: undo a run with dure runs rollback');
    return null;
end $$;
grant execute on function dure.knowledge_history_change() to dure_app, dure_system;

-- Whether a view of this name is to be made in public: not when it is there, and not where something else has the name.
create or replace function dure.face_is_free(p_name text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_there regclass := to_regclass(format('public.%I', p_name));
begin
    if v_there is not null then
        if obj_description(v_there, 'pg_class') is distinct from 'Dure: a view for older programs.' then
            raise warning 'public.% is not Dure''s: its view of that name is not made. Rename yours and migrate again.', p_name;
        end if;
        return false;
    elsif not coalesce(has_schema_privilege(to_regnamespace('public'), 'create'), false) then
        raise warning 'this role may not create views in the schema public: Dure''s view % is not made. Grant it and migrate again.', p_name;
        return false;
    end if;
    return true;
end $$;

-- What the views show. Where the server knows security_invoker (15 and newer) a view shows what the caller may see; the
-- tenant is part of each view all the same, for a server before that reads it as its owner.
do $make$
declare
    v_with text := case when current_setting('server_version_num')::integer >= 150000 then 'with (security_invoker = true)' else '' end;
begin
    execute format($view$
        create or replace view dure.agent_knowledge_history %s as
        select h.id, h.knowledge_type, h.knowledge_id, h.knowledge_name, h.agent_id, h.tenant_id, h.operation,
               h.previous_content, h.new_content, h.feedback_content, h.batch_job_id, h.created_at
        from dure.knowledge_history h
        where (select dure.is_system()) or h.tenant_id = (select dure.tenant_id())
        union all
        select md5(c.run_id::text || ':' || c.seq)::uuid, dure.knowledge_type(r.stores, c.store), array_to_string(c.key, '/'),
               coalesce(c.reason -> 'params' ->> 'name', s.reason -> 'params' ->> 'name', array_to_string(c.key, '/')),
               nullif(c.scope, '*'), c.tenant_id, upper(c.kind), dure.image_json(r.stores, c.store, c.before),
               dure.image_json(r.stores, c.store, coalesce(c.found, c.after)), null, dure.batch_id(c.run_id),
               coalesce(o.at, k.finished_at, r.started_at)
        from dure.run r
        join dure.changes c on c.run_id = r.id and c.state = 'applied'
        left join dure.chunk k on k.run_id = c.run_id and k.no = c.chunk
        left join dure.outcome o on o.run_id = c.run_id and o.seq = c.seq
        left join dure.change s on s.run_id = r.rollback_of and s.seq = c.undoes
        where r.operation = 'knowledge.deduplicate'
          and ((select dure.is_system()) or r.tenant_id = (select dure.tenant_id())) $view$, v_with);
    comment on view dure.agent_knowledge_history is 'Every change of what agents know, by deduplications, their ways back, and older systems.';
    create or replace trigger knowledge_insert instead of insert on dure.agent_knowledge_history
        for each row execute function dure.knowledge_history_insert();
    create or replace trigger knowledge_change instead of update or delete on dure.agent_knowledge_history
        for each row execute function dure.knowledge_history_change();
    grant select, insert, update, delete on dure.agent_knowledge_history to dure_app, dure_system;

    execute format($view$
        create or replace view dure.batch_job_history %s as
        select r.id, dure.batch_id(r.id) as job_id, case when r.rollback_of is null then 'deduplication' else 'rollback' end as job_type,
               dure.batch_id(r.rollback_of) as rollback_of, r.tenant_id,
               coalesce(r.params ->> 'agent_id', s.params ->> 'agent_id') as agent_id, d.dry_run,
               dure.batch_status(r.state, d.dry_run) as status,
               n.agents as total_agents, n.deleted as deleted_count, n.moved as moved_count, n.updated as updated_count,
               n.created as created_count, n.kept as kept_count, n.asked as asked_count, n.conflicts as conflict_count,
               n.failed as error_count, r.counts as statistics,
               coalesce(r.reason -> 'params' ->> 'text', r.reason ->> 'code') as error_message,
               dure.undone_count(r.id) > 0 as rolled_back, r.author as created_by, r.created_at as started_at,
               coalesce(r.finished_at, case when d.dry_run then r.planned_at end) as completed_at, r.created_at
        from dure.run r
        left join dure.run s on s.id = r.rollback_of
        cross join lateral (select r.then_do = 'plan' and r.started_at is null as dry_run) d
        cross join lateral (
            select count(*) filter (where c.kind = 'delete' and w.counts) as deleted,
                   count(*) filter (where c.kind = 'move' and w.counts) as moved,
                   count(*) filter (where c.kind = 'update' and w.counts) as updated,
                   count(*) filter (where c.kind = 'create' and w.counts) as created,
                   count(*) filter (where c.kind = 'keep') as kept, count(*) filter (where c.state = 'asked') as asked,
                   count(*) filter (where c.state = 'conflict') as conflicts, count(*) filter (where c.state = 'failed') as failed,
                   count(distinct c.subject) as agents
            from dure.changes c
            cross join lateral (select c.state = 'applied' or (d.dry_run and c.state = 'planned') as counts) w
            where c.run_id = r.id) n
        where r.operation = 'knowledge.deduplicate'
          and ((select dure.is_system()) or r.tenant_id = (select dure.tenant_id())) $view$, v_with);
    comment on view dure.batch_job_history is 'The runs of knowledge.deduplicate and their rollbacks. Of a dry run the counts say what would be done.';
    grant select on dure.batch_job_history to dure_app, dure_system;

    execute format($view$
        create or replace view dure.batch_job_backup %s as
        select md5(c.run_id::text || ':' || c.seq)::uuid as id, dure.batch_id(c.run_id) as job_id, c.tenant_id,
               nullif(c.scope, '*') as agent_id, dure.knowledge_type(r.stores, c.store) as knowledge_type,
               array_to_string(c.key, '/') as knowledge_id,
               coalesce(c.reason -> 'params' ->> 'name', array_to_string(c.key, '/')) as knowledge_name,
               upper(c.kind) as operation, dure.image_json(r.stores, c.store, c.before, true) as backup_content,
               exists (select from dure.run b join dure.changes u on u.run_id = b.id
                       where b.rollback_of = r.id and u.undoes = c.seq and u.state = 'applied') as restored,
               coalesce(r.started_at, r.created_at) as created_at
        from dure.run r
        join dure.changes c on c.run_id = r.id and c.state = 'applied' and c.before is not null
        where r.operation = 'knowledge.deduplicate' and r.rollback_of is null
          and ((select dure.is_system()) or r.tenant_id = (select dure.tenant_id())) $view$, v_with);
    comment on view dure.batch_job_backup is 'The records that deduplications changed, as they were before; restored: by a rollback.';
    grant select on dure.batch_job_backup to dure_app, dure_system;
end $make$;

-- A run by the name that older programs have for it; the id says when, so only that second's runs are looked at.
create or replace function dure.run_of_batch(p_job_id text) returns uuid
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    v_parts text[] := regexp_match(p_job_id, '^batch_(\d{8})_(\d{6})_([0-9a-f]{8})$');
    v_at    timestamptz;
begin
    if v_parts is null then
        return null;
    end if;
    begin
        v_at := make_timestamptz(substr(v_parts[1], 1, 4)::integer, substr(v_parts[1], 5, 2)::integer, substr(v_parts[1], 7, 2)::integer,
                                 substr(v_parts[2], 1, 2)::integer, substr(v_parts[2], 3, 2)::integer, substr(v_parts[2], 5, 2)::integer, 'UTC');
    exception when datetime_field_overflow then
        return null;
    end;
    return (select r.id from dure.run r
            where r.id >= dure.uuid7_at(v_at) and r.id < dure.uuid7_at(v_at + interval '1 s') and right(r.id::text, 8) = v_parts[3]
              and r.operation = 'knowledge.deduplicate');
end $$;
grant execute on function dure.run_of_batch(text) to dure_app, dure_system;

create or replace function dure.make_knowledge_faces() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_with text := case when current_setting('server_version_num')::integer >= 150000 then 'with (security_invoker = true)' else '' end;
    v_name text;
begin
    foreach v_name in array array['agent_knowledge_history', 'batch_job_history', 'batch_job_backup'] loop
        if dure.face_is_free(v_name) then
            execute format('create view public.%1$I %2$s as select * from dure.%1$I', v_name, v_with);
            execute format('comment on view public.%I is %L', v_name, 'Dure: a view for older programs.');
            execute format('revoke all on public.%I from public', v_name);
            execute format('grant select on public.%I to dure_app, dure_system', v_name);
            if v_name = 'agent_knowledge_history' then
                execute format('grant insert, update, delete on public.%I to dure_app, dure_system', v_name);
            end if;
        end if;
    end loop;
end $$;

-- Every migration runs dure.make_faces(); from here on it makes all of them.
do $$
begin
    if to_regprocedure('dure.make_job_face()') is null then
        alter function dure.make_faces() rename to make_job_face;
    end if;
end $$;
create or replace function dure.make_faces() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform dure.make_job_face();
    perform dure.make_knowledge_faces();
end $$;
do $$ begin perform dure.make_knowledge_faces(); end $$;

revoke all on all functions in schema dure from public;
grant execute on all functions in schema dure to dure_system;
