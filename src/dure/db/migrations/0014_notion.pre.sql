-- The Notion app: the to-dos of pages, what became of them, and the line in which all workers wait for Notion.
--
--   notion_page  what is known of a page besides its to-dos
--   notion_todo  a to-do block as it was last seen, and how far its work is
--   notion_pace  one row: when the next call to Notion may be made
--
-- That a window is open over a page, and how one ended, is in dure.window, under the key notion:<page>. The views
-- public.notion_batch_status and public.notion_todo show all of it by the names of an older system's tables.

create table if not exists dure.notion_page (
    tenant_id   text collate "C" not null check (length(tenant_id) between 1 and 100),
    page_id     text collate "C" not null check (length(page_id) between 1 and 64),
    window_id   text,
    synced_by   uuid,
    synced_at   timestamptz,
    cut         text check (cut in ('depth', 'blocks', 'todos')),
    trouble     jsonb check (jsonb_typeof(trouble) = 'object' and trouble ? 'code'),
    trouble_at  timestamptz,
    primary key (tenant_id, page_id),
    check ((trouble is null) = (trouble_at is null))
);
comment on table dure.notion_page is 'A page that a window was opened over. window_id: whose first tick has looked at all of it; '
    'synced_by: the tick that looked last; cut: the limit that ended that look; trouble: what kept Notion from answering.';
call dure.protect('dure.notion_page');
grant select on dure.notion_page to dure_app;
grant select, insert, update, delete on dure.notion_page to dure_system;

create table if not exists dure.notion_todo (
    tenant_id      text collate "C" not null,
    page_id        text collate "C" not null,
    block_id       text collate "C" not null check (length(block_id) between 1 and 64),
    position       integer not null check (position >= 0),
    path           text[] not null default '{}',
    text           text not null,
    text_hash      text not null check (text_hash ~ '^[0-9a-f]{64}$'),
    checked        boolean not null default false,
    last_edited_at timestamptz,
    status         text not null default 'pending' check (status in ('pending', 'done', 'skipped')),
    attempts       integer not null default 0 check (attempts >= 0),
    reason         jsonb check (jsonb_typeof(reason) = 'object' and reason ? 'code'),
    tick_id        uuid,
    answer         text,
    marker         text check (length(marker) between 1 and 100),
    write_began_at timestamptz,
    found_at       timestamptz not null default dure.now(),
    updated_at     timestamptz not null default dure.now(),
    done_at        timestamptz,
    removed_at     timestamptz,
    primary key (tenant_id, block_id),
    foreign key (tenant_id, page_id) references dure.notion_page on delete cascade,
    check ((answer is null) = (marker is null)),
    check (write_began_at is null or answer is not null),
    check ((done_at is not null) = (status = 'done')),
    check (status <> 'skipped' or reason is not null)
);
comment on table dure.notion_todo is 'A to-do block of a page. answer and marker: the result that is to be, or was, written beneath it, stored before; '
    'write_began_at: from then on Notion is asked for the marker before anything is written; tick_id: the tick that took it last.';
create index if not exists notion_todo_line on dure.notion_todo (tenant_id, page_id, position);
call dure.protect('dure.notion_todo');
grant select on dure.notion_todo to dure_app;
grant select, insert, update, delete on dure.notion_todo to dure_system;

create table if not exists dure.notion_pace (
    only_row     boolean primary key default true check (only_row),
    next_at      timestamptz not null default '-infinity',
    paused_until timestamptz not null default '-infinity'
);
comment on table dure.notion_pace is 'One row: the next free place in the line before Notion, and until when Notion wants to be left alone.';
insert into dure.notion_pace default values on conflict do nothing;
grant select, update on dure.notion_pace to dure_system;

-- Takes the next place in the line. wait_s: until it comes; is_paused: no place was taken, wait_s is the pause that is left.
create or replace function dure.notion_turn(p_apart_s double precision, p_patience_s double precision, out wait_s double precision, out is_paused boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_pace dure.notion_pace;
    v_now  timestamptz;
    v_at   timestamptz;
begin
    select * into strict v_pace from dure.notion_pace for no key update;
    -- Only now: who was locked out before has moved the line.
    v_now := dure.now();
    is_paused := v_pace.paused_until > v_now + make_interval(secs => p_patience_s);
    v_at := greatest(v_pace.next_at, v_pace.paused_until, v_now);
    if is_paused then
        v_at := v_pace.paused_until;
    else
        update dure.notion_pace set next_at = v_at + make_interval(secs => p_apart_s);
    end if;
    wait_s := extract(epoch from v_at - v_now);
end $$;

-- What the views show; see 0012_knowledge for why the tenant is part of them.
do $make$
declare
    v_with text := case when current_setting('server_version_num')::integer >= 150000 then 'with (security_invoker = true)' else '' end;
begin
    execute format($view$
        create or replace view dure.notion_batch_status %s as
        select distinct on (w.tenant_id, w.key)
               w.id, w.tenant_id, substr(w.key, 8) as notion_page_id,
               case when w.state = 'open' and w.ends_at > dure.now() then 'running'
                    when w.state in ('open', 'elapsed') then 'completed'
                    when w.state = 'stopped' then 'idle' else 'failed' end as status,
               coalesce(w.reason ->> 'text', w.reason ->> 'code') as message,
               (select count(*) from dure.notion_todo t where t.tenant_id = w.tenant_id and t.page_id = substr(w.key, 8)
                   and t.status = 'done' and t.answer is not null and t.done_at >= w.started_at) as processed_count,
               s.last_fire_at as last_run_at, w.started_at as start_time, coalesce(w.closed_at, w.ends_at) as end_time,
               w.started_at as created_at, coalesce(w.closed_at, s.last_fire_at, w.started_at) as updated_at
        from dure."window" w join dure.schedule s on s.id = w.schedule_id
        where w.key like 'notion:%%' and ((select dure.is_system()) or w.tenant_id = (select dure.tenant_id()))
        order by w.tenant_id, w.key, w.id desc $view$, v_with);
    comment on view dure.notion_batch_status is 'The last window over each page: running, completed (its time is over), idle (stopped), failed.';
    grant select on dure.notion_batch_status to dure_app, dure_system;

    execute format($view$
        create or replace view dure.notion_todo_face %s as
        select t.tenant_id, t.page_id as notion_page_id, t.block_id, t.position, t.text as content, t.status, t.attempts,
               coalesce(t.reason -> 'params' ->> 'text', t.reason ->> 'code') as reason, t.answer as result,
               t.found_at as created_at, t.updated_at, t.done_at as completed_at, t.removed_at
        from dure.notion_todo t
        where (select dure.is_system()) or t.tenant_id = (select dure.tenant_id()) $view$, v_with);
    comment on view dure.notion_todo_face is 'To-dos as they were last seen, in the page''s order by position.';
    grant select on dure.notion_todo_face to dure_app, dure_system;
end $make$;

create or replace function dure.make_notion_faces() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_with text := case when current_setting('server_version_num')::integer >= 150000 then 'with (security_invoker = true)' else '' end;
    v_name text;
begin
    foreach v_name in array array['notion_batch_status', 'notion_todo'] loop
        if dure.face_is_free(v_name) then
            execute format('create view public.%1$I %2$s as select * from dure.%3$I', v_name, v_with,
                           case v_name when 'notion_todo' then 'notion_todo_face' else v_name end);
            execute format('comment on view public.%I is %L', v_name, 'Dure: a view for older programs.');
            execute format('revoke all on public.%I from public', v_name);
            execute format('grant select on public.%I to dure_app, dure_system', v_name);
        end if;
    end loop;
end $$;

-- Every migration runs dure.make_faces(); from here on it makes these too.
create or replace function dure.make_faces() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform dure.make_job_face();
    perform dure.make_knowledge_faces();
    perform dure.make_notion_faces();
end $$;
do $$ begin perform dure.make_notion_faces(); end $$;

revoke all on all functions in schema dure from public;
grant execute on all functions in schema dure to dure_system;
