"""What is deleted or changed and put back has the same bytes, whatever type they are of."""

import psycopg
import pytest

from dure.db.pool import Database
from dure.settings import Settings
from queueing import one, rows
from table_runs import Tables

SETUP = """
create type public.mood as enum ('so''so', 'Gut, "sehr"', '행복');
create type public.part as (name varchar(20), size numeric(8, 3), tags text[], "Odd ""Name" bpchar);
create type public.span as range (subtype = float8);
create domain public.positive as integer check (value > 0);
create domain public.code as varchar(5) collate "C" default 'ab   ' not null;
create domain public.padded as bpchar;
create domain public.doc as json;
create type public.celsius;
create function public.celsius_in(cstring) returns public.celsius immutable strict language internal as 'int4in';
create function public.celsius_out(public.celsius) returns cstring immutable strict language internal as 'int4out';
create function public.celsius_recv(internal) returns public.celsius immutable strict language internal as 'int4recv';
create function public.celsius_send(public.celsius) returns bytea immutable strict language internal as 'int4send';
create type public.celsius (input = public.celsius_in, output = public.celsius_out, receive = public.celsius_recv,
    send = public.celsius_send, like = int4);
create function public.celsius_said(public.celsius) returns text immutable language sql as $$ select 'about zero' $$;
create function public.celsius_read(text) returns public.celsius immutable language sql as
    $$ select '0'::public.celsius $$;
create cast (public.celsius as text) with function public.celsius_said(public.celsius);
create cast (text as public.celsius) with function public.celsius_read(text);
"""
TYPES = {
    "smallint": ["-32768", "32767"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "numeric": ["'NaN'", "'Infinity'", "0.10", "1e-30", "123456789012345678901234567890.123456789"],
    "numeric(10,2)": ["1.50", "-0.00", "'NaN'"],
    "real": ["'-0'", "'NaN'", "'-Infinity'", "1.17549435e-38", "0.1"],
    "double precision": ["'-0'", "'NaN'", "'Infinity'", "5e-324", "0.1", "1e300"],
    "money": ["1234567.89", "-0.01"],
    "boolean": ["true", "false"],
    "text": [r"E'a\nb\r\n\t\\ ''\" NULL'", "''", "'NULL'", "'  한글 🦆 ｆ '", "'{a,\"b\"}'", "repeat('무지개', 40000)"],
    "varchar(12)": ["'trailing   '", "''", "'한글'"],
    "varchar(8) collate \"C\"": ["'é   '"],
    "char(5)": ["'ab'", "'     '", "'abcde'", "'가나'"],
    "bpchar": ["'ab   '", "'   '", "''", "E'\\t '"],
    "\"char\"": ["'a'", "''", "' '"],
    "name": ["'Some \"name\"'"],
    "bytea": ["'\\x'",
              "(select decode(string_agg(lpad(to_hex(i), 2, '0'), ''), 'hex') from generate_series(0, 255) i)"],
    "date": ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'2024-02-29'", "'5874897-12-31'"],
    "time": ["'24:00:00'", "'00:00:00.000001'"],
    "time with time zone": ["'23:59:60+15:59'", "'00:00:00-12:34:56'"],
    "timestamp": ["'infinity'", "'0001-01-01 00:00:00.000001 BC'", "'294276-12-31 23:59:59.999999'"],
    "timestamp(2)": ["'2024-05-05 05:05:05.55'"],
    "timestamptz": ["'-infinity'", "'2024-10-27 02:30:00.123456+02'", "'1883-11-18 12:03:58-04:56:02'",
                    "'4713-01-01 00:00:00+00 BC'"],
    "interval": ["'-1 year 2 mons -3 days +04:05:06.000007'", "'178000000 years'", "'0'"],
    "interval day to second(3)": ["'1 day 01:02:03.457'"],
    "uuid": ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
    "inet": ["'10.0.0.1/8'", "'::1'", "'192.168.0.1'"],
    "cidr": ["'10.0.0.0/8'"],
    "macaddr8": ["'08:00:2b:01:02:03:04:05'"],
    "bit(7)": ["B'0101010'"],
    "varbit": ["B''", "B'1'"],
    "json": ["E'{\"b\": 1,  \"a\":\\n2, \"a\": 3.00}'", "'null'", "'\"x\"'", "' [1 , 2] '", "'{\"a\":1,  \"a\": 1e5}'"],
    "jsonb": ["'{\"b\": 1, \"a\": 3.00, \"한\": \"\\\\u0041\"}'", "'null'", "'[]'", "'1.10'"],
    "jsonpath": ["'$.a ? (@ > 1)'"],
    "point": ["'(-0,1e-300)'"],
    "box": ["'(1,2),(0.1,0)'"],
    "path": ["'[(0,0),(1,1)]'", "'((0,0),(1,1))'"],
    "tsvector": ["'''it''''s'':1A b:2,3'"],
    "tsquery": ["'a & !b <2> c:*'"],
    "int4range": ["'empty'", "'[1,5)'", "'(,)'"],
    "numrange": ["'(1.0,2.50]'"],
    "tstzrange": ["'[2024-01-01 00:00+00,infinity]'"],
    "int4multirange": ["'{[1,2),[5,9)}'", "'{}'"],
    "public.span": ["'[-0,1.5]'"],
    "integer[]": ["'[2:3]={1,2}'", "'{}'", "'{{1,NULL},{3,4}}'", "'[0:0][-1:0]={{1,2}}'"],
    "text[]": ["array['NULL', null, '', 'a,b', '\"', '\\', '{x}', E'n\\nl', '한글']"],
    "varchar(3)[]": ["array['a  ', 'abc']"],
    "bpchar[]": ["array['a  ', ' ']::bpchar[]"],
    "box[]": ["array['(1,2),(0,0)'::box, '(3,4),(1,1)']"],
    "timestamptz[]": ["array['infinity'::timestamptz, '2024-01-01']"],
    "public.mood": ["'so''so'", "'Gut, \"sehr\"'", "'행복'"],
    "public.mood[]": ["array['행복', 'Gut, \"sehr\"']::public.mood[]"],
    "public.part": ["row('a  ', 1.500, array['x', null, ','], 'b  ')", "row(null, null, null, null)",
                    "row('\"\\\\', 0, '{}', '')"],
    "public.part[]": ["array[row('a', 1, array['(\"x,y\")'], ' ')::public.part, null]"],
    "public.positive": ["7"],
    "public.positive[]": ["array[1, 2]::public.positive[]"],
    "public.code": ["'a   '"],
    "public.padded": ["'x   '"],
    "public.doc": ["'{\"z\":1,   \"z\":2}'"],
    "regclass": ["'pg_class'", "0"],
    "regtype": ["'numeric'"],
    "regclass[]": ["array['pg_class', 'pg_type']::regclass[]"],
    "oid": ["4294967295"],
    "pg_lsn": ["'16/B374D848'"],
    "public.celsius": ["'21'"],
}  # fmt: skip


ODD = 'public."Odd %s {} Table"'
HABITS = (
    "datestyle = 'German, DMY'",
    "intervalstyle = 'sql_standard'",
    "bytea_output = 'escape'",
    "extra_float_digits = -5",
    "timezone = 'Asia/Seoul'",
)
VECTORS = {
    "public.vector": ["'[1,-0,3.4028235e38]'"],
    "public.vector(3)": ["'[0.1,1e-45,-2]'", "null"],
    "public.halfvec(2)": ["'[0.1,65504]'"],
    "public.sparsevec(5)": ["'{1:0.5,3:-2}/5'"],
    "public.vector[]": ["array['[1,2]', '[3]']::public.vector[]"],
}


async def a_table(database, types):
    """Make a table with a column of an odd name for each type, and in it a row for each value."""
    columns = ", ".join(f'"c{at} % "" {{}} É" {name}' for at, name in enumerate(types))
    await rows(database, f"create table {ODD} (id integer generated always as identity primary key, {columns})")
    for at, (name, literals) in enumerate(types.items()):
        for literal in literals:
            value = f"({literal})::{name.split(' collate')[0]}"
            await rows(database, f'insert into {ODD} ("c{at} % "" {{}} É") values ({value})')
    await rows(database, f"insert into {ODD} default values")
    return await Tables.of(database, ODD)


async def there_and_back(tables):
    """Delete every row and put it back, give every row another's values and back; the bytes must be what they were."""
    before = await tables.bytes_of()
    ids = [id for (id,) in await rows(tables.database, f"select id from {ODD} order by id")]

    run, tally = await tables.do(lambda table: [table.delete(id) for id in ids])
    assert (tally.applied, await tables.outcomes(run)) == (len(ids), [])
    assert await tables.bytes_of() == [[]]
    back = await tables.turn_around(run)
    assert (await tables.apply(back, restoring=True)).applied == len(ids)
    assert await tables.bytes_of() == before

    # Each row gets the values that its neighbour has, as the plan of the first run holds them.
    await rows(
        tables.database,
        "update dure.change c set kind = 'update', before = c.after, after = c.after[1:1] || n.after[2:], chunk = 1 "
        "from dure.change n where n.run_id = c.run_id and c.run_id = %s and n.seq = case c.seq "
        "when 1 then (select max(seq) from dure.change where run_id = c.run_id) else c.seq - 1 end",
        [back],
    )
    await rows(
        tables.database,
        "insert into dure.chunk (run_id, no, tenant_id, place, first_seq, last_seq, changes, hash) "
        "select run_id, 1, tenant_id, place, first_seq, last_seq, changes, hash from dure.chunk where run_id = %s",
        [back],
    )
    assert (await tables.apply(back, chunk=1)).applied == len(ids)
    assert await tables.bytes_of() != before
    assert (await tables.undo(back)).applied == len(ids)
    assert await tables.bytes_of() == before


async def test_bytes_of_every_type(database):
    await rows(database, SETUP)
    await there_and_back(await a_table(database, TYPES))


async def test_bytes_of_vectors(database):
    if not await rows(database, "select from pg_available_extensions where name = 'vector'"):
        pytest.skip("this server has no pgvector")
    await rows(database, "create extension vector schema public")
    await there_and_back(await a_table(database, VECTORS))


async def test_bytes_of_xml(database):
    try:
        await rows(database, "select '<a/>'::xml")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server was built without XML")
    types = {"xml": ["'<a  b=''1''/>'".replace("\\", ""), "'text <b/> &amp; more'", "'<?xml version=\"1.0\"?><a/>'"]}
    await there_and_back(await a_table(database, types))


async def test_a_session_with_other_habits_changes_nothing(database, url):
    """What the text of a value depends on is fixed by the transaction, whatever the role and the database say."""
    await rows(database, SETUP)
    types = {name: TYPES[name] for name in ("double precision", "timestamptz", "interval", "bytea", "money", "date")}
    tables = await a_table(database, types)
    before = await tables.bytes_of()
    run = await tables.plan(lambda table: [table.delete(id) for id in range(1, len(before[0]) + 1)])
    # Behind a pooler nothing but the transaction says how texts are to be written.
    for habit in HABITS:
        await rows(database, f"alter database {await one(database, 'select current_database()')} set {habit}")
    async with Database(Settings(database_url=url, pooler=True)) as other:
        assert await one(other, "show datestyle") == "German, DMY"
        habits = Tables(other, tables.shapes)
        assert (await habits.apply(run)).applied == len(before[0])
        assert (await habits.undo(run)).applied == len(before[0])
    assert await tables.bytes_of() == before
