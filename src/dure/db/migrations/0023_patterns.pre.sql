-- Patterns: sentences, and the intents that people meant by them.
--
--   intent_pattern          a sentence and an intent's key. tenant_id '' came with a pack and is for all; a tenant's own row
--                           with the same words and key stands in its place (another confidence, its own counts, switched off)
--   intent_pattern_version  a number for each tenant that grows with every change, so that an index in memory knows its age
--
-- The view public.chatops_intent_patterns shows them by the name of an older system's table, and is written to by plain SQL.

create or replace function dure.pattern_key(p_pattern text) returns text
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
    -- Two patterns are the same when only case, spaces and marks differ. By code points: classes depend on the locale.
    select regexp_replace(lower(normalize(p_pattern, nfkc) collate "C"),
                          '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u2000-\u2bff\u3000-\u303f\ufe00-\ufe0f\U0001f000-\U0001faff]+',
                          '', 'g')
$$;
comment on function dure.pattern_key(text) is 'What is compared of a pattern: its letters and digits, in one case.';

create or replace function dure.pattern_letters(p_pattern text) returns integer
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
    select length(regexp_replace(dure.pattern_key(p_pattern), '[0-9]+', '', 'g'))
$$;

create or replace function dure.pattern_confidence(p_base double precision, p_used bigint, p_succeeded bigint) returns double precision
language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
    -- Used more than ten times, what happened says more than what was thought.
    select case when p_used > 10 then round(p_succeeded::numeric / p_used, 4)::double precision else p_base end
$$;

create table if not exists dure.intent_pattern (
    id            uuid primary key default dure.uuid7(),
    tenant_id     text collate "C" not null check (length(tenant_id) <= 200),
    pattern       text not null check (length(pattern) between 2 and 200),
    normalised    text collate "C" not null generated always as (dure.pattern_key(pattern)) stored,
    lang          text not null check (lang in ('ko', 'en')),
    intent_key    text collate "C" not null check (length(intent_key) between 1 and 200),
    confidence    double precision not null default 0.8 check (confidence between 0 and 1),
    usage_count   bigint not null default 0 check (usage_count >= 0),
    success_count bigint not null default 0 check (success_count between 0 and usage_count),
    is_active     boolean not null default true,
    learned_from  text not null check (length(learned_from) between 1 and 200),
    last_used_at  timestamptz,
    created_at    timestamptz not null default dure.now(),
    updated_at    timestamptz not null default dure.now(),
    constraint intent_pattern_two_letters check (dure.pattern_letters(pattern) >= 2),
    constraint intent_pattern_once unique (tenant_id, normalised, intent_key)
);
comment on table dure.intent_pattern is 'Sentences that ask for an intent. confidence: what was given or learned; from the eleventh use on success_count / usage_count holds.';
create index if not exists intent_pattern_list on dure.intent_pattern (tenant_id, id);
call dure.protect('dure.intent_pattern');
do $$
begin
    if not exists (select from pg_policy where polrelid = 'dure.intent_pattern'::regclass and polname = 'shipped') then
        create policy shipped on dure.intent_pattern for select to dure_app using (tenant_id = '');
    end if;
end $$;
grant select on dure.intent_pattern to dure_app;
grant select, insert, update, delete on dure.intent_pattern to dure_system;

create table if not exists dure.intent_pattern_version (
    tenant_id text collate "C" primary key,
    version   bigint not null default 1
);
comment on table dure.intent_pattern_version is 'Grows with every change of a tenant''s patterns. Its row is locked by whoever writes them: no change is ever passed by.';
call dure.protect('dure.intent_pattern_version');
grant select on dure.intent_pattern_version to dure_app;
grant select, insert, update on dure.intent_pattern_version to dure_system;

create or replace function dure.patterns_changed() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    c_patterns_max constant integer := 10000;
    v_tenant text;
begin
    for v_tenant in select distinct tenant_id from changed order by tenant_id loop
        insert into dure.intent_pattern_version as v (tenant_id) values (v_tenant)
        on conflict (tenant_id) do update set version = v.version + 1;
        if tg_op = 'INSERT' and v_tenant <> '' and (select count(*) from dure.intent_pattern p where p.tenant_id = v_tenant) > c_patterns_max then
            perform dure.raise_error('too_many', 'pattern', 'a tenant may have 10000 patterns',
                                     jsonb_build_object('count', c_patterns_max + 1, 'max', c_patterns_max));
        end if;
    end loop;
    return null;
end $$;
create or replace trigger inserted after insert on dure.intent_pattern
    referencing new table as changed for each statement execute function dure.patterns_changed();
create or replace trigger updated after update on dure.intent_pattern
    referencing new table as changed for each statement execute function dure.patterns_changed();
create or replace trigger deleted after delete on dure.intent_pattern
    referencing old table as changed for each statement execute function dure.patterns_changed();

create or replace function dure.check_pattern(p_pattern text, p_intent_key text) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if p_intent_key is null or p_pattern is null then
        perform dure.raise_error('missing', case when p_pattern is null then 'pattern' else 'intent_key' end, 'pattern and intent_key are required');
    elsif length(p_pattern) > 200 then
        perform dure.raise_error('too_long', 'pattern', 'a pattern may have 200 characters', jsonb_build_object('length', length(p_pattern), 'max', 200));
    elsif dure.pattern_letters(p_pattern) < 2 then
        perform dure.raise_error('pattern.too_short', 'pattern', 'a pattern must have two letters or more', '{"min": 2}');
    end if;
end $$;

-- Learns a pattern: a new one, or one that is there and now counts for more. Made anew from one that came with a pack it begins
-- where that one stands.
create or replace function dure.learn_pattern(p_tenant text, p_pattern text, p_intent_key text, p_lang text default null,
                                              p_confidence double precision default null, p_learned_from text default 'sql') returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    c_first constant double precision := 0.8;
    c_more  constant double precision := 0.1;
    v_tenant text := dure.acting_tenant(p_tenant);
    v_shipped double precision;
    v_id uuid;
begin
    perform dure.check_pattern(p_pattern, p_intent_key);
    select confidence into v_shipped from dure.intent_pattern
    where tenant_id = '' and normalised = dure.pattern_key(p_pattern) and intent_key = p_intent_key;
    insert into dure.intent_pattern as p (tenant_id, pattern, lang, intent_key, confidence, learned_from)
    values (v_tenant, btrim(p_pattern), coalesce(p_lang, case when p_pattern ~ '[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]' then 'ko' else 'en' end),
            p_intent_key, coalesce(p_confidence, case when v_shipped is not null then least(1, round((v_shipped + c_more)::numeric, 4)) end, c_first), p_learned_from)
    on conflict (tenant_id, normalised, intent_key) do update
    set confidence = least(1, round((p.confidence + c_more)::numeric, 4)), is_active = true, learned_from = excluded.learned_from, updated_at = dure.now()
    returning p.id into v_id;
    return v_id;
end $$;
comment on function dure.learn_pattern is 'Learn that a sentence asks for an intent; learned again, its confidence grows by 0.1, to 1 at most.';

-- The row that a tenant may change: its own, or its own copy of one that came with a pack.
create or replace function dure.own_pattern(p_tenant text, p_id uuid) returns dure.intent_pattern
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_found dure.intent_pattern;
begin
    select * into v_found from dure.intent_pattern where id = p_id and tenant_id in (p_tenant, '');
    if not found then
        perform dure.raise_error('not_found', 'id', 'there is no such pattern', jsonb_build_object('what', 'pattern', 'id', p_id));
    end if;
    if v_found.tenant_id = '' then
        insert into dure.intent_pattern (tenant_id, pattern, lang, intent_key, confidence, is_active, learned_from)
        values (p_tenant, v_found.pattern, v_found.lang, v_found.intent_key, v_found.confidence, v_found.is_active, v_found.learned_from)
        on conflict (tenant_id, normalised, intent_key) do nothing;
    end if;
    select * into strict v_found from dure.intent_pattern
    where tenant_id = p_tenant and normalised = v_found.normalised and intent_key = v_found.intent_key for no key update;
    return v_found;
end $$;

create or replace function dure.use_pattern(p_tenant text, p_id uuid, p_success boolean) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_own dure.intent_pattern := dure.own_pattern(dure.acting_tenant(p_tenant), p_id);
begin
    update dure.intent_pattern
    set usage_count = usage_count + 1, success_count = success_count + p_success::integer, last_used_at = dure.now()
    where id = v_own.id;
    return v_own.id;
end $$;
comment on function dure.use_pattern is 'Note that a pattern was used, and whether what it found was what was meant.';

-- p_changes holds what is to be other than it is; what is not in it stays.
create or replace function dure.edit_pattern(p_tenant text, p_id uuid, p_changes jsonb, p_learned_from text default null) returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_tenant text := dure.acting_tenant(p_tenant);
    v_own    dure.intent_pattern;
    v_new    dure.intent_pattern;
begin
    if p_changes ?| array['pattern', 'intent_key', 'lang']
       and exists (select from dure.intent_pattern where id = p_id and tenant_id = '') then
        perform dure.raise_error('refused', 'pattern', 'this pattern came with a pack: switch it off and make your own', '{"reason": "pattern.shipped"}');
    end if;
    v_own := dure.own_pattern(v_tenant, p_id);
    v_new := jsonb_populate_record(v_own, p_changes);
    perform dure.check_pattern(v_new.pattern, v_new.intent_key);
    if v_new.confidence is null or v_new.confidence not between 0 and 1 then
        perform dure.raise_error('out_of_range', 'confidence', 'confidence must be between 0 and 1', '{"min": 0, "max": 1}');
    elsif v_new.usage_count is null or v_new.success_count is null or v_new.success_count not between 0 and v_new.usage_count then
        perform dure.raise_error('out_of_range', 'success_count', 'success_count must be between 0 and usage_count',
                                 jsonb_build_object('min', 0, 'max', v_new.usage_count));
    elsif v_new.lang is null or v_new.lang not in ('ko', 'en') then
        perform dure.raise_error('not_one_of', 'lang', 'lang must be ko or en', '{"expected": "ko, en"}');
    end if;
    update dure.intent_pattern
    set pattern = btrim(v_new.pattern), intent_key = v_new.intent_key, lang = v_new.lang, confidence = v_new.confidence,
        usage_count = v_new.usage_count, success_count = v_new.success_count, is_active = coalesce(v_new.is_active, true),
        learned_from = coalesce(p_learned_from, learned_from), updated_at = dure.now()
    where id = v_own.id;
    return v_own.id;
exception when unique_violation then
    perform dure.raise_error('conflict', 'pattern', 'there is this pattern for this intent already', '{"reason": "already_exists"}');
    return null;
end $$;

create or replace function dure.drop_pattern(p_tenant text, p_id uuid) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_tenant text := dure.acting_tenant(p_tenant);
begin
    delete from dure.intent_pattern where id = p_id and tenant_id = v_tenant;
    if not found and exists (select from dure.intent_pattern where id = p_id and tenant_id = '') then
        perform dure.raise_error('refused', 'pattern', 'this pattern came with a pack: switch it off', '{"reason": "pattern.shipped"}');
    elsif not found then
        perform dure.raise_error('not_found', 'id', 'there is no such pattern', jsonb_build_object('what', 'pattern', 'id', p_id));
    end if;
end $$;

-- The view, and what writing to it does.
do $make$
declare
    v_with text := case when current_setting('server_version_num')::integer >= 150000 then 'with (security_invoker = true)' else '' end;
begin
    execute format($view$
        create or replace view dure.chatops_intent_patterns %s as
        select p.id, p.tenant_id, p.pattern, p.intent_key, p.lang,
               dure.pattern_confidence(p.confidence, p.usage_count, p.success_count) as confidence, p.confidence as base_confidence,
               p.usage_count, p.success_count, p.is_active, p.learned_from, p.last_used_at, p.created_at, p.updated_at
        from dure.intent_pattern p
        where ((select dure.is_system()) or p.tenant_id in ((select dure.tenant_id()), ''))
          and not (p.tenant_id = '' and exists (select from dure.intent_pattern o
                   where o.tenant_id = (select dure.tenant_id()) and o.normalised = p.normalised and o.intent_key = p.intent_key)) $view$, v_with);
    comment on view dure.chatops_intent_patterns is 'Patterns as an older system knows them. confidence is the one that holds; tenant_id is empty for those that came with a pack.';
    grant select, insert, update, delete on dure.chatops_intent_patterns to dure_app, dure_system;
end $make$;

create or replace function dure.patterns_face_insert() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_tenant  text := coalesce(new.tenant_id, dure.tenant_id(), 'default');
    v_changes jsonb := jsonb_strip_nulls(jsonb_build_object('usage_count', new.usage_count, 'success_count', new.success_count, 'is_active', new.is_active));
begin
    if new.id is not null then
        perform dure.raise_error('unknown_field', 'id', 'id is given by Dure: leave it out');
    elsif coalesce(new.confidence, new.base_confidence, 0) not between 0 and 1 then
        perform dure.raise_error('out_of_range', 'confidence', 'confidence must be between 0 and 1', '{"min": 0, "max": 1}');
    elsif coalesce(new.lang, 'ko') not in ('ko', 'en') then
        perform dure.raise_error('not_one_of', 'lang', 'lang must be ko or en', '{"expected": "ko, en"}');
    end if;
    new.id := dure.learn_pattern(v_tenant, new.pattern, new.intent_key, new.lang, coalesce(new.confidence, new.base_confidence),
                                 coalesce(nullif(new.learned_from, ''), 'sql'));
    if v_changes <> '{}' then
        perform dure.edit_pattern(v_tenant, new.id, v_changes);
    end if;
    select * into new from dure.chatops_intent_patterns where id = new.id;
    return new;
end $$;

create or replace function dure.patterns_face_update() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_tenant  text := coalesce(nullif(old.tenant_id, ''), dure.tenant_id(), 'default');
    v_changes jsonb := '{}';
begin
    if new.id is distinct from old.id or new.tenant_id is distinct from old.tenant_id then
        perform dure.raise_error('refused', case when new.id is distinct from old.id then 'id' else 'tenant_id' end, 'id and tenant_id are not changed');
    end if;
    -- Of confidence and base_confidence either may be set, as the older table had only one.
    v_changes := (select coalesce(jsonb_object_agg(n.key, n.value), '{}') from jsonb_each(to_jsonb(new)) n
                  where n.value is distinct from to_jsonb(old) -> n.key
                    and n.key in ('pattern', 'intent_key', 'lang', 'usage_count', 'success_count', 'is_active'))
                 || case when new.base_confidence is distinct from old.base_confidence then jsonb_build_object('confidence', new.base_confidence)
                         when new.confidence is distinct from old.confidence then jsonb_build_object('confidence', new.confidence) else '{}' end;
    new.id := dure.edit_pattern(v_tenant, old.id, v_changes, nullif(new.learned_from, old.learned_from));
    select * into new from dure.chatops_intent_patterns where id = new.id;
    return new;
end $$;

create or replace function dure.patterns_face_delete() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform dure.drop_pattern(coalesce(nullif(old.tenant_id, ''), dure.tenant_id(), 'default'), old.id);
    return old;
end $$;

create or replace trigger face_insert instead of insert on dure.chatops_intent_patterns for each row execute function dure.patterns_face_insert();
create or replace trigger face_update instead of update on dure.chatops_intent_patterns for each row execute function dure.patterns_face_update();
create or replace trigger face_delete instead of delete on dure.chatops_intent_patterns for each row execute function dure.patterns_face_delete();

create or replace function dure.make_pattern_face() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    v_with text := case when current_setting('server_version_num')::integer >= 150000 then 'with (security_invoker = true)' else '' end;
begin
    if dure.face_is_free('chatops_intent_patterns') then
        execute format('create view public.chatops_intent_patterns %s as select * from dure.chatops_intent_patterns', v_with);
        comment on view public.chatops_intent_patterns is 'Dure: a view for older programs.';
        revoke all on public.chatops_intent_patterns from public;
        grant select, insert, update, delete on public.chatops_intent_patterns to dure_app, dure_system;
    end if;
end $$;

-- Every migration runs dure.make_faces(); from here on it makes this one too.
create or replace function dure.make_faces() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform dure.make_job_face();
    perform dure.make_knowledge_faces();
    perform dure.make_notion_faces();
    perform dure.make_agent_faces();
    perform dure.make_pattern_face();
end $$;
do $$ begin perform dure.make_pattern_face(); end $$;

revoke all on all functions in schema dure from public;
grant execute on function dure.pattern_key, dure.pattern_letters, dure.pattern_confidence, dure.learn_pattern, dure.use_pattern, dure.edit_pattern,
    dure.drop_pattern, dure.patterns_face_insert, dure.patterns_face_update, dure.patterns_face_delete to dure_app;
grant execute on all functions in schema dure to dure_system;
