-- Messages to people outside, each a row before it is sent.
--
--   planned ──► sending ──► sent
--      ▲           ├──► planned     not taken now: its job tries again
--      │           ├──► failed      not taken, for good
--      └───────────┴──► unknown     nobody saw what became of the call: a person says
--   planned ──► cancelled
--
-- A message is the same as another by tenant, channel, recipient and digest, for as long as it is kept in mind: it is put in
-- once, and whoever puts it in again is told which one that is.

create table if not exists dure.outbox_message (
    id         uuid primary key default dure.uuid7(),
    tenant_id  text collate "C" not null check (length(tenant_id) between 1 and 200),
    request_id uuid,
    target     text,
    channel    text collate "C" not null check (channel ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    recipient  text not null check (length(recipient) between 1 and 500),
    subject    text not null default '' check (length(subject) <= 500),
    body       text not null check (length(body) between 1 and 20000),
    digest     bytea not null,
    same_until timestamptz not null,
    state      text not null default 'planned' check (state in ('planned', 'sending', 'sent', 'failed', 'unknown', 'cancelled')),
    job_id     uuid,
    tries      integer not null default 0,
    error      text,
    created_at timestamptz not null default dure.now(),
    sending_at timestamptz,
    sent_at    timestamptz,
    decided_by text,
    check ((sent_at is not null) = (state = 'sent'))
);
comment on table dure.outbox_message is 'Messages to people outside. It is "sent" only when the channel took it.';
create index if not exists outbox_same on dure.outbox_message (tenant_id, digest, same_until);
create index if not exists outbox_tenant on dure.outbox_message (tenant_id, id desc);
create index if not exists outbox_request on dure.outbox_message (request_id, id) where request_id is not null;
create index if not exists outbox_state on dure.outbox_message (tenant_id, state, id desc) where state in ('planned', 'sending', 'failed', 'unknown');
call dure.protect('dure.outbox_message');
grant select on dure.outbox_message to dure_app;
grant select, insert, update, delete on dure.outbox_message to dure_system;

-- Puts a message in, unless it is there. Two that put the same in at a time wait for each other.
create or replace function dure.outbox_put(p_tenant text, p_request uuid, p_target text, p_channel text, p_recipient text, p_subject text, p_body text,
                                           p_dedupe text, p_same_s double precision, out id uuid, out is_new boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_tenant text := dure.acting_tenant(p_tenant);
    v_digest bytea := sha256(convert_to(jsonb_build_array(p_channel, p_recipient, coalesce(p_dedupe, p_subject || E'\n' || p_body))::text, 'UTF8'));
begin
    perform pg_advisory_xact_lock(hashtext('dure.outbox'), hashtext(v_tenant || encode(v_digest, 'hex')));
    select m.id into id from dure.outbox_message m
    where m.tenant_id = v_tenant and m.digest = v_digest and m.same_until > dure.now() and m.state <> 'cancelled'
    order by m.id desc limit 1;
    is_new := not found;
    if is_new then
        insert into dure.outbox_message (tenant_id, request_id, target, channel, recipient, subject, body, digest, same_until)
        values (v_tenant, p_request, p_target, p_channel, p_recipient, p_subject, p_body, v_digest, dure.now() + make_interval(secs => p_same_s))
        returning outbox_message.id into id;
    end if;
end $$;

-- The job of each message; only Dure's own code asks for it.
insert into dure.handler (handler, queue, description, max_retries)
values ('dure.outbox.send', 'intents', 'Sends one message of the outbox.', 10)
on conflict (handler) do nothing;

revoke all on all functions in schema dure from public;
grant execute on all functions in schema dure to dure_system;
grant execute on function dure.outbox_put to dure_app;
