-- The lockers of a school, to try the intents of school.py on.
create table if not exists public.locker (
    number      integer primary key,
    tenant_id   text not null default 'default',
    holder      text,
    phone       text,
    paid_until  date
);

insert into public.locker (number, holder, phone, paid_until) values
    (1, '김하늘', '+821000000101', current_date + 30),
    (2, '이바다', '+821000000102', current_date - 3),
    (3, '박가람', null, current_date - 40),
    (4, '최보라', '+821000000104', current_date - 45),
    (5, null, null, null)
on conflict (number) do nothing;
