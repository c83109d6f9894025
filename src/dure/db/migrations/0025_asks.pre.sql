-- Asks: sentences that somebody asked with, so that whoever reads the answer as a stream may lose the connection.
--
-- A row holds what the beginning of a stream is made of: the sentence, what was found, and the request that was confirmed
-- or why there is none. What comes after that is read from the request, its job and its run, which are rows of their own:
-- each event has a fixed number, and a stream can be gone on with from any of them, however often, by any process.

create table if not exists dure.intent_ask (
    id         uuid primary key default dure.uuid7(),
    tenant_id  text collate "C" not null check (length(tenant_id) between 1 and 200),
    sentence   text not null check (length(sentence) between 1 and 2000),
    lang       text not null check (lang in ('ko', 'en')),
    actor      text not null check (length(actor) between 1 and 200),
    candidates jsonb not null check (jsonb_typeof(candidates) = 'array'),
    request_id uuid references dure.intent_request on delete set null,
    problem    jsonb check (jsonb_typeof(problem) = 'object'),
    created_at timestamptz not null default dure.now(),
    check (request_id is null or problem is null)
);
comment on table dure.intent_ask is 'Sentences that were asked with, and what was found. Kept for a day.';
create index if not exists intent_ask_request on dure.intent_ask (request_id) where request_id is not null;
call dure.protect('dure.intent_ask');
grant select on dure.intent_ask to dure_app;
grant select, insert, update, delete on dure.intent_ask to dure_system;
