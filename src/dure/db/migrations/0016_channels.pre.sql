-- Channels, their messages, and the log of what agents say to each other.
--
--   channel          a named stream: who may publish, who may subscribe, how long messages are kept, its figures
--   message          what was published; a channel's numbers are dense and in the order of commits
--   listening        which processes pass a channel's messages on just now, and to how many
--   agent_log_new    the log's entries as they come: unchained, for a second
--   agent_log        the log: append-only, each row chained to the one before it by its hash
--   agent_log_head   where each tenant's chain ends, and where what was dropped ended
--   channel_upkeep   when partitions are looked after next
--
-- A number is given out under the lock of the channel's row, which is held until the commit. So a lower number never appears
-- late, and a reader that goes on from the last number it saw misses none. That lock is therefore the last that a transaction
-- takes; one that publishes on several channels does so in the order of their names.
--
-- Messages lie in partitions by the day on which they may go (drop_on), so that channels of different ages need no DELETE. The
-- log lies in partitions by the month in which rows were chained: what is dropped is always the oldest end of every chain.

create or replace function dure.is_access(p_list text[]) returns boolean
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
    select cardinality(p_list) <= 100 and coalesce(bool_and(entry is not null and
        entry ~ '^(\*|viewer|operator|approver|admin|agent|agent:[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}|class:[a-z0-9][a-z0-9._-]{0,99})$'), true)
    from unnest(p_list) entry
$$;
comment on function dure.is_access(text[]) is 'Whether each entry is *, a scope of keys, agent:ID or class:NAME.';

create table if not exists dure.channel (
    tenant_id       text collate "C" not null check (length(tenant_id) between 1 and 200),
    name            text collate "C" not null check (name ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
    type            text not null default 'custom' check (type ~ '^[a-z][a-z0-9_]{0,49}$'),
    description     text not null default '' check (length(description) <= 2000),
    publish         text[] not null default '{}' check (dure.is_access(publish)),
    subscribe       text[] not null default '{}' check (dure.is_access(subscribe)),
    keep_days       smallint not null default 7 check (keep_days between 1 and 90),
    built_in        boolean not null default false,
    last_no         bigint not null default 0 check (last_no >= 0),
    bytes           bigint not null default 0 check (bytes >= 0),
    last_message_at timestamptz,
    revision        integer not null default 1,
    created_by      text not null,
    created_at      timestamptz not null default dure.now(),
    updated_at      timestamptz not null default dure.now(),
    deleted_at      timestamptz,
    primary key (tenant_id, name),
    check (not built_in or deleted_at is null)
) with (fillfactor = 40);
comment on table dure.channel is 'Named streams of messages. publish, subscribe: who may; nobody unless named. A deleted one stays, '
    'so that a channel of the same name goes on counting and no reader''s place means another message.';
call dure.protect('dure.channel');
grant select on dure.channel to dure_app;
grant select, insert, update, delete on dure.channel to dure_system;

create table if not exists dure.message (
    tenant_id  text collate "C" not null,
    channel    text collate "C" not null,
    no         bigint not null check (no > 0),
    drop_on    date not null,
    at         timestamptz not null,
    from_agent text collate "C" check (length(from_agent) between 1 and 300),
    to_agent   text collate "C" check (length(to_agent) between 1 and 300),
    kind       text collate "C" not null check (kind ~ '^[a-z0-9][a-z0-9._-]{0,99}$'),
    body       jsonb not null check (jsonb_typeof(body) = 'object'),
    task_id    uuid,
    size_bytes integer not null check (size_bytes between 0 and 65536),
    primary key (tenant_id, channel, no, drop_on)
) partition by range (drop_on);
comment on table dure.message is 'What was published. no: dense in each channel, in the order of commits. drop_on: the day on which it may go.';
call dure.protect('dure.message');
grant select on dure.message to dure_app;
grant select, delete on dure.message to dure_system;
-- For a day that has no partition yet; what fell into it is moved when the day gets one.
create table if not exists dure.message_other partition of dure.message default;
alter table dure.message_other enable row level security;

create table if not exists dure.listening (
    hub_id      uuid not null,
    tenant_id   text collate "C" not null,
    channel     text collate "C" not null,
    subscribers integer not null check (subscribers > 0),
    until       timestamptz not null,
    primary key (hub_id, tenant_id, channel)
) with (fillfactor = 50);
comment on table dure.listening is 'Which process (hub_id) passes on a channel''s messages, to how many subscribers; forgotten unless renewed.';
create index if not exists listening_channel on dure.listening (tenant_id, channel);
call dure.protect('dure.listening');
grant select on dure.listening to dure_app;
grant select, insert, update, delete on dure.listening to dure_system;

create or replace view dure.channels as
select c.tenant_id, c.name, c.type, c.description, c.publish, c.subscribe, c.keep_days, c.built_in, c.last_no as messages, c.bytes,
       c.last_message_at,
       (select coalesce(sum(l.subscribers), 0)::integer from dure.listening l
        where l.tenant_id = c.tenant_id and l.channel = c.name and l.until > (select dure.now())) as subscribers,
       c.revision, c.created_by, c.created_at, c.updated_at
from dure.channel c
where c.deleted_at is null and ((select dure.is_system()) or c.tenant_id = (select dure.tenant_id()));
comment on view dure.channels is 'The channels that there are, with their figures: messages and bytes ever published, subscribers now.';
grant select on dure.channels to dure_app, dure_system;

-- The log.

create table if not exists dure.agent_log_new (
    id         bigint generated always as identity primary key,
    tenant_id  text collate "C" not null,
    at         timestamptz not null default dure.now(),
    from_agent text collate "C",
    to_agent   text collate "C",
    protocol   text not null,
    kind       text not null,
    task_id    uuid,
    trace_id   text collate "C",
    size_bytes integer,
    latency_ms double precision,
    ok         boolean not null,
    error      text
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000);
comment on table dure.agent_log_new is 'Entries of the log before they are chained, which happens about once a second.';
call dure.protect('dure.agent_log_new');
grant select on dure.agent_log_new to dure_system;

create table if not exists dure.agent_log (
    tenant_id  text collate "C" not null,
    seq        bigint not null,
    at         timestamptz not null,
    sealed_at  timestamptz not null,
    from_agent text collate "C",
    to_agent   text collate "C",
    protocol   text not null,
    kind       text not null,
    task_id    uuid,
    trace_id   text collate "C",
    size_bytes integer,
    latency_ms double precision,
    ok         boolean not null,
    error      text,
    prev_hash  bytea not null check (length(prev_hash) = 32),
    hash       bytea not null check (length(hash) = 32),
    primary key (tenant_id, seq, sealed_at)
) partition by range (sealed_at);
comment on table dure.agent_log is 'Every message between agents. hash: the sha256 of prev_hash and of the row (dure.log_text), prev_hash: '
    'the hash of the tenant''s row before it. Nobody may change it; old months are dropped whole.';
create index if not exists agent_log_from on dure.agent_log (tenant_id, from_agent, seq);
create index if not exists agent_log_to on dure.agent_log (tenant_id, to_agent, seq);
create index if not exists agent_log_task on dure.agent_log (task_id) where task_id is not null;
create index if not exists agent_log_trace on dure.agent_log (tenant_id, trace_id, seq) where trace_id is not null;
create index if not exists agent_log_failed on dure.agent_log (tenant_id, seq) where not ok;
call dure.protect('dure.agent_log');
grant select on dure.agent_log to dure_app, dure_system;

create table if not exists dure.agent_log_head (
    tenant_id   text collate "C" primary key,
    seq         bigint not null,
    hash        bytea not null,
    anchor_seq  bigint not null default 0,
    anchor_hash bytea not null
) with (fillfactor = 50);
comment on table dure.agent_log_head is 'The last row of each tenant''s chain, and the last one that was dropped (anchor): where what is left begins.';
call dure.protect('dure.agent_log_head');
grant select on dure.agent_log_head to dure_app, dure_system;

create table if not exists dure.channel_upkeep (
    only_row  boolean primary key default true check (only_row),
    next_at   timestamptz not null default '-infinity',
    sealed_at timestamptz not null default '-infinity'
) with (fillfactor = 50);
comment on table dure.channel_upkeep is 'One row: when partitions are looked after next, and when the log was last chained.';
insert into dure.channel_upkeep default values on conflict do nothing;
grant select on dure.channel_upkeep to dure_system;

insert into dure.setting (name, value) values ('agent_log_keep_days', '365') on conflict do nothing;

create or replace function dure.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform dure.raise_error('refused', null, format('%I.%I is append-only', tg_table_schema, tg_table_name), '{"reason": "append_only"}');
    return null;
end $$;
create or replace trigger append_only before update or delete on dure.agent_log
    for each row execute function dure.refuse_change();
create or replace trigger append_only_all before truncate on dure.agent_log
    for each statement execute function dure.refuse_change();

-- What a row's hash is made of: a JSON array of texts, so that no two rows share one, and nothing in it follows TimeZone,
-- extra_float_digits or any other setting.
create or replace function dure.log_text(p_row dure.agent_log) returns text
language sql stable parallel safe
return jsonb_build_array(
    p_row.tenant_id, p_row.seq::text, (extract(epoch from p_row.at) * 1000000)::bigint::text,
    (extract(epoch from p_row.sealed_at) * 1000000)::bigint::text, p_row.from_agent, p_row.to_agent, p_row.protocol,
    p_row.kind, p_row.task_id::text, p_row.trace_id, p_row.size_bytes::text, encode(float8send(p_row.latency_ms), 'hex'),
    case when p_row.ok then 't' else 'f' end, p_row.error)::text;

create or replace function dure.log_step(p_state bytea, p_seed bytea, p_text text) returns bytea
language sql immutable parallel safe
return sha256(coalesce(p_state, p_seed) || convert_to(p_text, 'UTF8'));
-- Over a window: each row's hash from the one before it; the first from the seed.
create or replace aggregate dure.log_chain(bytea, text) (sfunc = dure.log_step, stype = bytea, parallel = safe);

create or replace function dure.log_seed(p_tenant text) returns bytea
language sql immutable parallel safe
return sha256(convert_to('dure.agent_log ' || p_tenant, 'UTF8'));

create or replace function dure.log_message(
    p_tenant text, p_from text, p_to text, p_protocol text, p_kind text, p_task uuid, p_trace text, p_size_bytes integer,
    p_latency_ms double precision, p_ok boolean, p_error text default null
) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into dure.agent_log_new (tenant_id, from_agent, to_agent, protocol, kind, task_id, trace_id, size_bytes, latency_ms, ok, error)
    values (p_tenant, left(p_from, 300), left(p_to, 300), left(p_protocol, 100), left(p_kind, 100), p_task, left(p_trace, 200),
            p_size_bytes, p_latency_ms, p_ok, left(p_error, 2000))
$$;
comment on function dure.log_message is 'Notes one message between agents; about a second later it is chained.';

-- The partition of a month of the log, made if it is not there.
create or replace function dure.make_log_month(p_at timestamptz) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_first date := date_trunc('month', p_at at time zone 'UTC')::date;
    v_name  text := 'agent_log_' || to_char(v_first, 'YYYYMM');
begin
    if to_regclass('dure.' || v_name) is not null then
        return;
    end if;
    -- Made apart and then attached: that locks out nobody who reads or writes the table.
    execute format('create table dure.%I (like dure.agent_log including all)', v_name);
    execute format('create trigger append_only_all before truncate on dure.%I for each statement execute function dure.refuse_change()', v_name);
    execute format('alter table dure.%I enable row level security', v_name);
    execute format('alter table dure.agent_log attach partition dure.%I for values from (%L) to (%L)', v_name,
                   v_first::timestamp at time zone 'UTC', (v_first + interval '1 month')::timestamp at time zone 'UTC');
end $$;

-- Chains up to p_most entries to their tenants' logs, in the order in which they came; answers how many. One at a time: who
-- comes while another does it goes away with 0.
create or replace function dure.seal_log(p_most integer default 5000) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_at    timestamptz;
    v_count integer;
begin
    if not exists (select from dure.agent_log_new) or not pg_try_advisory_xact_lock(hashtextextended('dure.seal_log', 0)) then
        return 0;
    end if;
    -- Never before the last time: a partition must hold one stretch of each chain.
    update dure.channel_upkeep set sealed_at = greatest(dure.now(), sealed_at) returning sealed_at into v_at;
    perform dure.make_log_month(v_at);
    with taken as (
        delete from dure.agent_log_new where id in (select id from dure.agent_log_new order by id limit p_most) returning *
    ), placed as (
        select t.*, coalesce(h.hash, dure.log_seed(t.tenant_id)) as seed,
               coalesce(h.seq, 0) + row_number() over (partition by t.tenant_id order by t.id) as seq
        from taken t left join dure.agent_log_head h on h.tenant_id = t.tenant_id
    ), entry as (
        select p.seed, row(p.tenant_id, p.seq, p.at, v_at, p.from_agent, p.to_agent, p.protocol, p.kind, p.task_id, p.trace_id,
                           p.size_bytes, p.latency_ms, p.ok, p.error, null, null)::dure.agent_log as r
        from placed p
    ), chained as (
        select (r).*, seed, dure.log_chain(seed, dure.log_text(r)) over (partition by (r).tenant_id order by (r).seq) as made from entry
    ), kept as (
        insert into dure.agent_log
        select tenant_id, seq, at, sealed_at, from_agent, to_agent, protocol, kind, task_id, trace_id, size_bytes, latency_ms, ok, error,
               lag(made, 1, seed) over (partition by tenant_id order by seq), made
        from chained
        returning tenant_id, seq, hash
    ), headed as (
        insert into dure.agent_log_head as h (tenant_id, seq, hash, anchor_hash)
        select distinct on (tenant_id) tenant_id, seq, hash, dure.log_seed(tenant_id) from kept order by tenant_id, seq desc
        on conflict (tenant_id) do update set seq = excluded.seq, hash = excluded.hash
    )
    select count(*) into v_count from kept;
    return v_count;
end $$;

-- Publishing.

-- Realtime's function calls people's code as this function's owner, so it must be one that the server's owner put there: anybody
-- who may make schemas could make one of that name.
create or replace function dure.has_realtime() returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (
        select from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_roles o on o.oid = p.proowner
        where p.proname = 'send' and n.nspname = 'realtime' and oidvectortypes(p.proargtypes) = 'jsonb, text, text, boolean'
          and (o.rolsuper or o.rolname in (current_user, 'supabase_admin', 'supabase_realtime_admin')))
$$;

create or replace function dure.mirror_messages(p_tenant text, p_channel text, p_after bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_topic   text := case when p_tenant = 'default' then p_channel else p_tenant || ':' || p_channel end;
    v_message record;
begin
    for v_message in select m.* from dure.message m where m.tenant_id = p_tenant and m.channel = p_channel and m.no > p_after order by m.no loop
        begin
            execute 'select realtime.send($1, $2, $3, true)' using
                jsonb_build_object('no', v_message.no, 'from', v_message.from_agent, 'to', v_message.to_agent, 'kind', v_message.kind,
                                   'task_id', v_message.task_id, 'at', v_message.at, 'body', v_message.body),
                v_message.kind, v_topic;
        exception when others then
            raise log 'dure: message % of channel % was not mirrored to Realtime: %', v_message.no, p_channel, sqlerrm;
        end;
    end loop;
end $$;

create or replace function dure.publish_batch(p_tenant text, p_channel text, p_messages jsonb) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
-- Stores messages [{"body": {…}, "from", "kind", "to", "task"}, …] on a channel; answers the number of the last.
declare
    c_messages_max  constant integer := 1000;
    c_message_bytes_max constant integer := 65536;
    v_count   integer := jsonb_array_length(p_messages);
    v_bytes   bigint;
    v_largest integer;
    v_last    bigint;
    v_at      timestamptz;
    v_drop_on date;
begin
    if v_count not between 1 and c_messages_max then
        perform dure.raise_error('too_many', 'messages', null, jsonb_build_object('count', v_count, 'max', c_messages_max));
    end if;
    select sum(b.bytes), max(b.bytes) into v_bytes, v_largest
    from jsonb_array_elements(p_messages) m, lateral (select octet_length((m -> 'body')::text) as bytes) b;
    if v_largest > c_message_bytes_max then
        perform dure.raise_error('too_large', 'body', null, jsonb_build_object('size_bytes', v_largest, 'max_bytes', c_message_bytes_max));
    end if;
    for v_try in 1..2 loop
        update dure.channel set last_no = last_no + v_count, bytes = bytes + v_bytes,
               last_message_at = greatest(dure.now(), last_message_at)
        where tenant_id = p_tenant and name = p_channel and deleted_at is null
        returning last_no, last_message_at, (last_message_at at time zone 'UTC')::date + keep_days + 1 into v_last, v_at, v_drop_on;
        exit when found;
        if v_try = 2 or p_channel !~ '^(agents|tasks|system)\.' then
            perform dure.raise_error('not_found', 'channel', null, jsonb_build_object('what', 'channel', 'id', p_channel));
        end if;
        perform dure.begin_agents(p_tenant);
    end loop;
    insert into dure.message (tenant_id, channel, no, drop_on, at, from_agent, to_agent, kind, body, task_id, size_bytes)
    select p_tenant, p_channel, v_last - v_count + m.place, v_drop_on, v_at, m.message ->> 'from', m.message ->> 'to',
           coalesce(m.message ->> 'kind', 'message'), m.message -> 'body', (m.message ->> 'task')::uuid,
           octet_length((m.message -> 'body')::text)
    from jsonb_array_elements(p_messages) with ordinality m(message, place);
    insert into dure.agent_log_new (tenant_id, from_agent, to_agent, protocol, kind, task_id, size_bytes, ok)
    select p_tenant, m.message ->> 'from', m.message ->> 'to', 'channel', coalesce(m.message ->> 'kind', 'message'),
           (m.message ->> 'task')::uuid, octet_length((m.message -> 'body')::text), true
    from jsonb_array_elements(p_messages) with ordinality m(message, place)
    where m.message ->> 'to' is not null order by m.place;
    -- NOTIFY makes commits wait for each other, so only where somebody listens. Who begins to listen just now looks once more.
    if exists (select from dure.listening l where l.tenant_id = p_tenant and l.channel = p_channel and l.until > dure.now()) then
        perform pg_notify('dure_channel', p_tenant || '/' || p_channel);
    end if;
    if to_regnamespace('realtime') is not null and dure.has_realtime() then
        perform dure.mirror_messages(p_tenant, p_channel, v_last - v_count);
    end if;
    return v_last;
end $$;

create or replace function dure.publish(
    p_tenant text, p_channel text, p_body jsonb, p_from text default null, p_kind text default 'message', p_to text default null,
    p_task uuid default null
) returns bigint
language sql set search_path = pg_catalog, pg_temp as $$
    select dure.publish_batch(p_tenant, p_channel, jsonb_build_array(
        jsonb_build_object('body', p_body, 'from', p_from, 'kind', p_kind, 'to', p_to, 'task', p_task)))
$$;
comment on function dure.publish is 'Stores a message on a channel and answers its number. Asks nobody''s leave: the caller did.';

create or replace function dure.make_channel(
    p_tenant text, p_name text, p_type text, p_description text, p_publish text[] default '{}', p_subscribe text[] default '{}'
) returns boolean
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with made as (
        insert into dure.channel (tenant_id, name, type, description, publish, subscribe, built_in, created_by)
        values (p_tenant, p_name, p_type, p_description, p_publish, p_subscribe, true, 'dure')
        on conflict (tenant_id, name) do update set built_in = true, deleted_at = null where not channel.built_in
        returning 1
    )
    select exists (select from made)
$$;
comment on function dure.make_channel is 'Makes a built-in channel of a tenant; answers whether it had to. One that was there keeps its lists.';

-- Upkeep: partitions for the days to come, and away with those whose day has come.

create or replace function dure.make_message_day(p_day date) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_name text := 'message_' || to_char(p_day, 'YYYYMMDD');
begin
    if to_regclass('dure.' || v_name) is not null then
        return;
    end if;
    execute format('create table dure.%I (like dure.message including all)', v_name);
    execute format('alter table dure.%I enable row level security', v_name);
    -- Attaching looks through the default partition for rows that belong here. None may come meanwhile.
    lock table dure.message_other in access exclusive mode;
    execute format('with moved as (delete from dure.message_other where drop_on = $1 returning *) insert into dure.%I select * from moved', v_name)
        using p_day;
    execute format('alter table dure.message attach partition dure.%I for values from (%L) to (%L)', v_name, p_day, p_day + 1);
end $$;

-- Waits for no lock longer than 200 ms: everybody else would wait behind it. What could not be done is done a minute later, and
-- partitions are made days ahead. Answers whether all was done.
create or replace function dure.keep_channels() returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '200ms' as $$
declare
    c_every      constant interval := '10 minutes';
    c_again      constant interval := '1 minute';
    c_days_ahead constant integer := 2;
    c_log_days_min constant integer := 1;
    v_today      date := (dure.now() at time zone 'UTC')::date;
    v_log_until  timestamptz;
    v_part       record;
begin
    update dure.channel_upkeep set next_at = dure.now() + c_again;
    delete from dure.listening where until < dure.now();
    perform dure.make_log_month(dure.now());
    perform dure.make_log_month(dure.now() + interval '7 days');
    begin
        for v_part in
            select distinct v_today + k.keep_days + 1 + ahead as day
            from (select 7 as keep_days union select c.keep_days from dure.channel c where c.deleted_at is null) k,
                 generate_series(0, c_days_ahead) ahead
            union select distinct m.drop_on from dure.message_other m where m.drop_on > v_today
            order by 1
        loop
            perform dure.make_message_day(v_part.day);
        end loop;
        delete from dure.message_other where drop_on <= v_today;
    exception when lock_not_available then
        return false;
    end;
    v_log_until := dure.now() - make_interval(days => greatest(c_log_days_min, coalesce(
        (select (s.value #>> '{}')::integer from dure.setting s where s.name = 'agent_log_keep_days'), 365)));
    begin
        for v_part in
            select c.relname as name, i.inhparent = 'dure.agent_log'::regclass as is_log
            from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where (i.inhparent = 'dure.message'::regclass and c.relname ~ '^message_\d{8}$'
                   and to_date(right(c.relname, 8), 'YYYYMMDD') <= v_today)
               or (i.inhparent = 'dure.agent_log'::regclass and c.relname ~ '^agent_log_\d{6}$'
                   and (to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month') at time zone 'UTC' <= v_log_until)
            order by 1
        loop
            if v_part.is_log then
                -- Where what is left of each tenant's chain begins.
                execute format('update dure.agent_log_head h set anchor_seq = p.seq, anchor_hash = p.hash '
                    'from (select distinct on (tenant_id) tenant_id, seq, hash from dure.%I order by tenant_id, seq desc) p '
                    'where p.tenant_id = h.tenant_id', v_part.name);
            end if;
            execute format('drop table dure.%I', v_part.name);
        end loop;
    exception when lock_not_available then
        return false;
    end;
    update dure.channel_upkeep set next_at = dure.now() + c_every;
    return true;
end $$;

do $$ begin perform dure.keep_channels(); end $$;

revoke all on all functions in schema dure from public;
grant execute on all functions in schema dure to dure_system;
