-- The academy: what the reference pack of intents works on. Every row is a tenant's, and a foreign key names the tenant
-- too, so that nothing of one can ever refer to something of another. Can be run again: it changes nothing then.
create schema if not exists academy;

create table if not exists academy.student (
    id          uuid primary key default gen_random_uuid(),
    tenant_id   text not null,
    name        text not null check (name <> ''),
    grade       smallint check (grade between 1 and 12),
    status      text not null default 'enrolled' check (status in ('enrolled', 'paused', 'left')),
    birth_date  date,
    phone       text,
    joined_on   date not null default current_date,
    left_on     date,
    note        text not null default '',
    updated_at  timestamptz not null default now(),
    unique (tenant_id, id),
    check ((status = 'left') = (left_on is not null))
);
create index if not exists student_name on academy.student (tenant_id, name);
create index if not exists student_status on academy.student (tenant_id, status, name);
create index if not exists student_joined on academy.student (tenant_id, joined_on);

create table if not exists academy.guardian (
    id              uuid primary key default gen_random_uuid(),
    tenant_id       text not null,
    name            text not null check (name <> ''),
    phone           text,
    email           text,
    language        text not null default 'ko' check (language in ('ko', 'en')),
    wants_messages  boolean not null default true,
    updated_at      timestamptz not null default now(),
    unique (tenant_id, id)
);
create index if not exists guardian_name on academy.guardian (tenant_id, name);

create table if not exists academy.student_guardian (
    student_id   uuid not null,
    guardian_id  uuid not null,
    tenant_id    text not null,
    relation     text not null default '',
    primary key (student_id, guardian_id),
    foreign key (tenant_id, student_id) references academy.student (tenant_id, id),
    foreign key (tenant_id, guardian_id) references academy.guardian (tenant_id, id)
);
create index if not exists student_guardian_guardian on academy.student_guardian (guardian_id);

create table if not exists academy.class (
    id          uuid primary key default gen_random_uuid(),
    tenant_id   text not null,
    name        text not null check (name <> ''),
    subject     text not null default '',
    teacher     text not null default '',
    capacity    integer not null check (capacity > 0),
    fee_won     integer not null default 0 check (fee_won >= 0),
    weekdays    smallint[] not null check (weekdays <@ array[1, 2, 3, 4, 5, 6, 7]::smallint[]),
    starts_at   time not null,
    ends_at     time not null,
    opened_on   date not null,
    closed_on   date,
    updated_at  timestamptz not null default now(),
    unique (tenant_id, id),
    check (starts_at < ends_at),
    check (closed_on >= opened_on)
);
create unique index if not exists class_open_name on academy.class (tenant_id, name) where closed_on is null;
create index if not exists class_name on academy.class (tenant_id, name);

create table if not exists academy.enrolment (
    id          uuid primary key default gen_random_uuid(),
    tenant_id   text not null,
    student_id  uuid not null,
    class_id    uuid not null,
    from_on     date not null,
    until_on    date,
    status      text not null default 'active' check (status in ('active', 'ended')),
    foreign key (tenant_id, student_id) references academy.student (tenant_id, id),
    foreign key (tenant_id, class_id) references academy.class (tenant_id, id),
    check (status = 'active' or until_on is not null),
    -- Who leaves before the first day was never there.
    check (until_on >= from_on - 1)
);
create unique index if not exists enrolment_active on academy.enrolment (student_id, class_id) where status = 'active';
create index if not exists enrolment_class on academy.enrolment (class_id) where status = 'active';
create index if not exists enrolment_student on academy.enrolment (student_id);

-- Nobody sits where there is no seat, however many are enrolled at a time: whoever comes second waits for the class's row
-- and counts the first.
create or replace function academy.take_seat() returns trigger language plpgsql as $$
declare
    v_capacity integer;
begin
    select capacity into v_capacity from academy.class where id = new.class_id for no key update;
    if (select count(*) from academy.enrolment where class_id = new.class_id and status = 'active' and id <> new.id)
       >= v_capacity then
        raise check_violation using message = 'the class is full', constraint = 'enrolment_capacity', schema = 'academy',
            table = 'enrolment';
    end if;
    return new;
end
$$;
create or replace trigger enrolment_capacity before insert or update of class_id, status on academy.enrolment
    for each row when (new.status = 'active') execute function academy.take_seat();

create table if not exists academy.meeting (
    id          uuid primary key default gen_random_uuid(),
    tenant_id   text not null,
    class_id    uuid not null,
    held_on     date not null,
    cancelled   boolean not null default false,
    note        text not null default '',
    unique (class_id, held_on),
    unique (tenant_id, id),
    foreign key (tenant_id, class_id) references academy.class (tenant_id, id)
);
create index if not exists meeting_day on academy.meeting (tenant_id, held_on);

create table if not exists academy.attendance (
    id            uuid primary key default gen_random_uuid(),
    tenant_id     text not null,
    meeting_id    uuid not null,
    student_id    uuid not null,
    status        text not null check (status in ('present', 'late', 'absent', 'excused')),
    minutes_late  integer not null default 0 check (minutes_late >= 0),
    note          text not null default '',
    recorded_at   timestamptz not null default now(),
    unique (meeting_id, student_id),
    foreign key (tenant_id, meeting_id) references academy.meeting (tenant_id, id),
    foreign key (tenant_id, student_id) references academy.student (tenant_id, id),
    check (status = 'late' or minutes_late = 0)
);
create index if not exists attendance_student on academy.attendance (student_id);

create table if not exists academy.invoice (
    id            uuid primary key default gen_random_uuid(),
    tenant_id     text not null,
    student_id    uuid not null,
    month         date not null check (extract(day from month) = 1),
    amount_won    integer not null check (amount_won >= 0),
    discount_won  integer not null default 0,
    status        text not null default 'open' check (status in ('open', 'paid', 'overdue', 'void')),
    due_on        date not null,
    issued_at     timestamptz not null default now(),
    paid_at       timestamptz,
    note          text not null default '',
    unique (tenant_id, id),
    foreign key (tenant_id, student_id) references academy.student (tenant_id, id),
    check (discount_won between 0 and amount_won),
    check (status <> 'paid' or paid_at is not null)
);
create unique index if not exists invoice_month on academy.invoice (student_id, month) where status <> 'void';
create index if not exists invoice_status on academy.invoice (tenant_id, month, status);
create index if not exists invoice_due on academy.invoice (tenant_id, due_on) where status in ('open', 'overdue');

create table if not exists academy.payment (
    id          uuid primary key default gen_random_uuid(),
    tenant_id   text not null,
    invoice_id  uuid not null,
    amount_won  integer not null check (amount_won <> 0),
    method      text not null check (method in ('card', 'transfer', 'cash')),
    paid_at     timestamptz not null default now(),
    note        text not null default '',
    foreign key (tenant_id, invoice_id) references academy.invoice (tenant_id, id)
);
create index if not exists payment_invoice on academy.payment (invoice_id);
create index if not exists payment_paid on academy.payment (tenant_id, paid_at);

create table if not exists academy.notice (
    id            uuid primary key default gen_random_uuid(),
    tenant_id     text not null,
    class_id      uuid,
    title         text not null check (title <> ''),
    body          text not null,
    status        text not null default 'draft' check (status in ('draft', 'published', 'withdrawn')),
    published_at  timestamptz,
    created_at    timestamptz not null default now(),
    foreign key (tenant_id, class_id) references academy.class (tenant_id, id),
    check (status <> 'published' or published_at is not null)
);
create index if not exists notice_created on academy.notice (tenant_id, status, created_at);
create index if not exists notice_class on academy.notice (class_id) where class_id is not null;

create table if not exists academy.report (
    id        uuid primary key default gen_random_uuid(),
    tenant_id text not null,
    kind      text not null check (kind <> ''),
    title     text not null,
    from_on   date,
    until_on  date,
    format    text not null check (format in ('markdown', 'csv', 'text')),
    body      text not null,
    made_at   timestamptz not null default now(),
    made_by   text not null default '',
    check (until_on >= from_on)
);
create index if not exists report_kind on academy.report (tenant_id, kind, made_at);

create table if not exists academy.consultation (
    id           uuid primary key default gen_random_uuid(),
    tenant_id    text not null,
    student_id   uuid not null,
    guardian_id  uuid,
    held_at      timestamptz not null,
    topic        text not null default '',
    note         text not null default '',
    foreign key (tenant_id, student_id) references academy.student (tenant_id, id),
    foreign key (tenant_id, guardian_id) references academy.guardian (tenant_id, id)
);
create index if not exists consultation_student on academy.consultation (student_id, held_at);
create index if not exists consultation_held on academy.consultation (tenant_id, held_at);
