-- The queue as plain SQL sees it: a table to insert into and to select from, with the names that older systems use.

create or replace function dure.job_executions_insert() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_id uuid;
begin
    if new.id is not null then
        perform dure.raise_error('unknown_field', 'id', 'id is given by Dure: leave it out');
    elsif coalesce(new.status, 'pending') <> 'pending' then
        perform dure.raise_error('not_one_of', 'status', 'a new job is pending', '{"expected": "pending"}');
    elsif new.executed_at is not null or new.completed_at is not null or new.error_message is not null or new.retry_count <> 0 then
        perform dure.raise_error('refused', 'job_executions', 'a new job has no history: leave out retry_count, executed_at, completed_at and error_message');
    elsif new.intent_key is null then
        perform dure.raise_error('missing', 'intent_key', 'intent_key is missing');
    end if;
    v_id := dure.enqueue(new.intent_key, coalesce(new.intent_params, '{}'), new.tenant_id, max_retries => new.max_retries);
    select id, tenant_id, handler, params, state, retry_count, max_retries, created_at
    into new.id, new.tenant_id, new.intent_key, new.intent_params, new.status, new.retry_count, new.max_retries, new.created_at
    from dure.job where id = v_id;
    return new;
end $$;

create or replace function dure.job_executions_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform dure.raise_error('refused', 'job_executions', 'jobs are not changed by UPDATE or DELETE: use dure.cancel(id) or dure.retry(id)');
    return null;
end $$;

-- Makes the view, unless somebody's own table has its name. Run by every migration, so that it is made as soon as the
-- name is free; what is there already is left alone.
create or replace function dure.make_faces() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_kind    "char" := (select relkind from pg_class where oid = to_regclass('public.job_executions'));
    v_invoker boolean := current_setting('server_version_num')::integer >= 150000;
begin
    if v_kind = 'v' and exists (select from pg_trigger where tgrelid = to_regclass('public.job_executions') and tgname = 'dure_insert') then
        return;
    elsif v_kind is not null then
        raise warning 'public.job_executions is not Dure''s: its view of that name is not made. Rename yours and migrate again.';
        return;
    elsif not coalesce(has_schema_privilege(to_regnamespace('public'), 'create'), false) then
        raise warning 'this role may not create views in the schema public: Dure''s view job_executions is not made. Grant it and migrate again.';
        return;
    end if;
    -- Where the server knows security_invoker (15 and newer) the view shows what the caller may see in dure.job;
    -- before that a view reads as its owner, so the tenant is part of the view.
    execute format($view$
        create view public.job_executions %s as
        select id, tenant_id, handler as intent_key, params as intent_params, state as status,
               retry_count::integer as retry_count, max_retries::integer as max_retries,
               created_at, started_at as executed_at, finished_at as completed_at, error as error_message
        from dure.job %s $view$,
        case when v_invoker then 'with (security_invoker = true)' else '' end,
        case when v_invoker then '' else 'where (dure.tenant_id() is null and dure.is_system()) or tenant_id = dure.tenant_id()' end);
    create trigger dure_insert instead of insert on public.job_executions
        for each row execute function dure.job_executions_insert();
    create trigger dure_change instead of update or delete on public.job_executions
        for each row execute function dure.job_executions_change();
    revoke all on public.job_executions from public;
    grant select, insert, update, delete on public.job_executions to dure_app, dure_system;
end $$;

do $$ begin perform dure.make_faces(); end $$;

revoke all on all functions in schema dure from public;
grant execute on function dure.job_executions_insert, dure.job_executions_change to dure_app;
grant execute on all functions in schema dure to dure_system;
