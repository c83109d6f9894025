"""The table that is measured on, and what is done to it."""

TABLE = "public.students"
FILL = (
    f"""create table {TABLE} (id bigint primary key, name text not null, email text not null,
    balance numeric(12,2) not null, joined timestamptz not null, note text)""",
    f"""insert into {TABLE} select g, 'Student number ' || g, 'student' || g || '@example.org', (g %% 1000) + 0.25,
    timestamptz '2020-01-01 UTC' + g * interval '1 minute', md5(g::text) from generate_series(1, %s) g""",
)
STATEMENTS = {
    "delete": f"delete from {TABLE}",
    "update": f"update {TABLE} set balance = balance + 1",
}
HASH = (
    "select encode(sha256(string_agg(sha256(convert_to(t::text, 'UTF8')), ''::bytea order by id)), 'hex')"
    f" from {TABLE} t"
)
NEW_RUN = (
    "insert into dure.run (tenant_id, operation, author, rollback_of, mode)"
    " values ('bench', 'dure.sql', 'bench', %s, %s) returning id::text"
)
DONE = "update dure.chunk set state = 'done', applied = %s where run_id = %s and no = %s"
