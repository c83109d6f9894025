"""A plan is applied as it was shown: what changed since is a conflict, and what fails is told apart from the rest."""

import pytest

from dure.errors import Conflict, NotFound
from dure.runs.model import Draft, Planned, Tally
from queueing import one, rows
from table_runs import Tables


@pytest.fixture
async def books(database):
    await rows(
        database,
        "create table public.books (id integer primary key, title text unique, copies integer check (copies >= 0)); "
        "insert into public.books select i, 'book ' || i, i from generate_series(1, 9) i",
    )
    return await Tables.of(database, "public.books")


async def titles(tables):
    return dict(await rows(tables.database, "select id, title from public.books order by id"))


async def reason(tables, run, seq):
    return await tables.reason(run, seq)


async def test_what_changed_since_is_a_conflict_and_stays(books):
    run = await books.plan(
        lambda t: [t.delete(1), t.delete(2), t.update(3, {"title": "new"}), t.update(4, {"copies": 0}), t.delete(5),
                   t.create({"id": 50, "title": "own"}), t.create({"id": 51, "title": "fine"})]
    )  # fmt: skip
    await rows(books.database, "update public.books set copies = 100, title = title || '!' where id in (2, 4)")
    await rows(books.database, "delete from public.books where id in (3)")
    await rows(books.database, "insert into public.books values (50, 'other', null)")
    assert await books.apply(run) == Tally(applied=3, conflicts=4)
    assert await books.outcomes(run) == [
        (2, "conflict", "changed_since"),
        (3, "conflict", "missing"),
        (4, "conflict", "changed_since"),
        (6, "conflict", "key_taken"),
    ]
    assert await reason(books, run, 2) == {"columns": ["title", "copies"]}
    assert await titles(books) == {
        2: "book 2!", 4: "book 4!", 6: "book 6", 7: "book 7", 8: "book 8", 9: "book 9", 50: "other", 51: "fine",
    }  # fmt: skip


async def test_a_row_that_was_written_again_with_the_same_values_is_as_planned(books):
    run = await books.plan(lambda t: [t.delete(1), t.update(2, {"title": "x"}), t.delete(3)])
    await rows(books.database, "update public.books set copies = copies")
    await rows(
        books.database, "delete from public.books where id = 3; insert into public.books values (3, 'book 3', 3)"
    )
    assert await books.apply(run) == Tally(applied=3)
    assert await books.outcomes(run) == []


@pytest.mark.parametrize("rewrite", ["vacuum full public.books", "cluster public.books using backwards"])
async def test_a_row_that_took_another_ones_place_is_not_taken_for_it(books, rewrite):
    """All rows are of one transaction, so a rewrite can put another row of the same age where the planned one was."""
    await rows(
        books.database, "alter table public.books add rank integer; create index backwards on public.books (rank)"
    )
    await rows(
        books.database,
        "delete from public.books; insert into public.books select i, 'b' || i, i, -i from generate_series(1, 9) i",
    )
    tables = await Tables.of(books.database, "public.books")
    run = await tables.plan(lambda t: [t.delete(1), t.delete(2)])
    connection = await books.database.connect("test")
    await connection.execute(rewrite.encode())
    await connection.close()
    assert await tables.apply(run) == Tally(applied=2)
    assert list(await titles(tables)) == [3, 4, 5, 6, 7, 8, 9]


async def test_changes_of_one_unit_are_done_together_or_not_at_all(books):
    run = await books.plan(
        lambda t: [
            (t.delete(1), t.delete(2), t.create({"id": 20})),
            (t.update(3, {"copies": 7}), t.create({"id": 30, "title": "book 8"}), t.delete(4)),
            (t.delete(5), t.update(6, {"copies": -1})),
            (t.delete(7), t.create({"id": 40})),
        ]
    )
    await rows(books.database, "update public.books set copies = 55 where id = 2")
    assert await books.apply(run) == Tally(applied=2, conflicts=1, failed=2, skipped=5 - 1 + 1)
    assert await books.outcomes(run) == [
        (1, "skipped", "unit_mate"), (2, "conflict", "changed_since"), (3, "skipped", "unit_mate"),
        (4, "skipped", "unit_mate"), (5, "failed", "unique_taken"), (6, "skipped", "unit_mate"),
        (7, "skipped", "unit_mate"), (8, "failed", "check_failed"),
    ]  # fmt: skip
    assert await reason(books, run, 1) == {"seq": 2}
    assert (await reason(books, run, 5))["constraint"] == "books_title_key"
    assert (await reason(books, run, 8))["constraint"] == "books_copies_check"
    assert set(await titles(books)) == {1, 2, 3, 4, 5, 6, 8, 9, 40}


async def test_one_that_fails_of_many_fails_alone(database):
    await rows(
        database,
        "create table public.n (id integer primary key, v integer check (v <> 777)); "
        "insert into public.n select i, 0 from generate_series(1, 2000) i",
    )
    tables = await Tables.of(database, "public.n")
    run = await tables.plan(
        lambda n: [n.update(id, {"v": 777 if id in (5, 1000, 1999) else 1}) for id in range(1, 2001)]
    )
    assert await tables.apply(run) == Tally(applied=1997, failed=3)
    assert await rows(database, "select id from public.n where v = 0 order by 1") == [(5,), (1000,), (1999,)]


async def test_when_everything_fails_it_does_not_take_for_ever(database):
    await rows(
        database,
        "create table public.n (id integer primary key, v integer); create table public.other (id integer); "
        "insert into public.n select i, 0 from generate_series(1, 4000) i; "
        "create function public.spread() returns trigger language plpgsql as "
        "'begin insert into public.other values (old.id); return old; end'; "
        "create trigger spread after delete on public.n for each row execute function public.spread()",
    )
    tables = await Tables.of(database, "public.n")
    run = await tables.plan(lambda n: [n.delete(id) for id in range(1, 4001)])
    assert await tables.apply(run) == Tally(failed=4000)
    assert await one(database, "select count(*) from public.n") == 4000
    assert await one(database, "select count(*) from public.other") == 0
    assert (await reason(tables, run, 4000))["table"] == "public.other"


async def test_updates_that_trade_unique_values(books):
    """Not to be had row by row without a deferrable constraint: told, not half done."""
    trade = [("1", "book 2"), ("2", "book 1")]
    run = await books.plan(lambda t: [tuple(t.update(id, {"title": title}) for id, title in trade)])
    assert await books.apply(run) == Tally(failed=1, skipped=1)
    await rows(
        books.database,
        "alter table public.books drop constraint books_title_key, "
        "add constraint books_title_key unique (title) deferrable",
    )
    tables = await Tables.of(books.database, "public.books")
    before = await tables.bytes_of()
    run = await tables.plan(lambda t: [tuple(t.update(id, {"title": title}) for id, title in trade)])
    assert await tables.apply(run) == Tally(applied=2)
    assert (await titles(tables))[1] == "book 2"
    assert await tables.undo(run) == Tally(applied=2)
    assert await tables.bytes_of() == before


async def test_a_key_that_becomes_free_in_the_same_chunk(books):
    before = await books.bytes_of()
    planned = await books.complete(lambda t: [t.delete(1), t.update(2, {"id": 1, "title": "was 2"})])
    run = await books.write(planned)
    assert await books.apply(run) == Tally(applied=2)
    assert (await titles(books))[1] == "was 2"
    assert await books.undo(run) == Tally(applied=2)
    assert await books.bytes_of() == before


async def test_only_questions_that_were_answered_yes(books):
    run = await books.plan(
        lambda t: [t.delete(1), t.delete(2, ask=True), t.delete(3, ask=True), t.delete(4, ask=True),
                   (t.delete(5, ask=True), t.delete(6)), (t.delete(7, ask=True), t.delete(8))]
    )  # fmt: skip
    await rows(
        books.database,
        "insert into dure.answer (run_id, seq, tenant_id, accepted, actor) "
        "select %s, seq, 'acme', accepted, 'me' from (values (2, true), (3, false), (7, true)) a(seq, accepted)",
        [run],
    )
    assert await books.apply(run) == Tally(applied=4, skipped=1)
    assert set(await titles(books)) == {3, 4, 5, 6, 9}
    assert await books.outcomes(run) == [(6, "skipped", "unit_mate")]
    states = await rows(books.database, "select seq, state from dure.changes where run_id = %s order by 1", [run])
    assert [state for _, state in states] == [
        "planned", "planned", "asked", "asked", "asked", "skipped", "planned", "planned",
    ]  # fmt: skip


@pytest.mark.parametrize("ask", [False, True])
async def test_a_chunk_that_begins_and_ends_alike_and_is_not_alike_between(books, ask):
    before = await books.bytes_of()
    run = await books.plan(
        lambda t: [t.delete(1), t.update(2, {"copies": 7}), t.delete(3, ask=ask), t.create({"id": 10}), t.delete(4)]
    )
    assert await books.apply(run) == Tally(applied=4 if ask else 5)
    assert await one(books.database, "select array_agg(id order by id) from public.books") == [
        2, *([3] if ask else []), 5, 6, 7, 8, 9, 10,
    ]  # fmt: skip
    assert await one(books.database, "select copies from public.books where id = 2") == 7
    if not ask:
        assert await books.undo(run) == Tally(applied=5)
        assert await books.bytes_of() == before


async def test_a_later_round_does_what_is_intended_again_and_nothing_else(books):
    run = await books.plan(lambda t: [t.delete(1), t.update(2, {"copies": -1}), t.delete(3), t.delete(4)])
    await rows(books.database, "update public.books set title = 'edited ' || id where id in (3, 4)")
    assert await books.apply(run) == Tally(applied=1, conflicts=2, failed=1)
    await rows(books.database, "insert into public.books values (1, 'again', 1)")
    await rows(books.database, "update public.books set title = 'book 3' where id = 3")
    await rows(books.database, "alter table public.books drop constraint books_copies_check")
    await rows(books.database, "update dure.outcome set state = 'intended', reason = null where run_id = %s", [run])
    assert await books.apply(run, round=1) == Tally(applied=2, conflicts=1)
    told = "select seq, state, reason->>'code', tries from dure.outcome where run_id = %s order by seq"
    assert await rows(books.database, told, [run]) == [
        (2, "applied", None, 2),
        (3, "applied", None, 2),
        (4, "conflict", "changed_since", 2),
    ]
    assert (await titles(books))[1] == "again"


async def test_one_change_whose_outcome_is_intended(books):
    run = await books.plan(lambda t: [t.delete(1), t.delete(2), t.create({"id": 3})])
    for seq in (1, 2):
        await rows(
            books.database,
            "insert into dure.outcome (run_id, seq, tenant_id, state) values (%s, %s, 'acme', 'intended')",
            [run, seq],
        )
    await rows(books.database, "update public.books set copies = 77 where id = 2")
    assert [await books.apply_one(run, seq) for seq in (1, 2, 3)] == [Tally(applied=1), Tally(conflicts=1), Tally()]
    assert await books.outcomes(run) == [(1, "applied", None), (2, "conflict", "changed_since")]


async def test_a_chunk_in_which_everything_stays(books):
    run = await books.plan(lambda t: [t.keep(1, reason="good"), t.delete(99)])
    assert await books.apply(run) == Tally()


async def test_a_chunk_that_is_not_there(books):
    with pytest.raises(NotFound):
        await books.apply("00000000-0000-0000-0000-000000000000", chunk=0)


@pytest.mark.parametrize(
    ("migration", "columns"),
    [
        ("alter table public.books add isbn text default 'x'", "isbn"),
        ("alter table public.books rename title to name", "name, title"),
        ("alter table public.books alter copies type bigint", "copies"),
        ("alter table public.books drop copies", "copies"),
        ("drop table public.books", "-"),
    ],
)
async def test_a_table_that_was_altered_since_the_plan(books, migration, columns):
    """What is in a column that the plan does not know would be lost."""
    run = await books.plan(lambda t: [t.delete(1)])
    await rows(books.database, migration)
    with pytest.raises(Conflict) as error:
        await books.apply(run)
    assert (error.value.reason, error.value.params) == ("table.migrated", {"table": "public.books", "columns": columns})
    assert "public.books" in error.value.text("ko")


async def test_a_plan_in_chunks_does_each_by_itself(books):
    run = await books.plan(lambda t: [t.delete(id) for id in range(1, 10)], chunk_changes=4)
    assert await books.apply(run, chunk=1) == Tally(applied=4)
    assert set(await titles(books)) == {1, 2, 3, 4, 9}
    assert await books.apply(run, chunk=0) + await books.apply(run, chunk=2) == Tally(applied=5)


async def test_the_key_of_what_others_refer_to(database):
    """The new key must be there before a row can refer to it, and the foreign key brings the rows along by itself."""
    await rows(
        database,
        """
        create table public.land (code text primary key, name text);
        create table public.town (land text references public.land on update cascade, no integer,
            primary key (land, no));
        create table public.street (id integer primary key, land text, town integer,
            foreign key (land, town) references public.town on update cascade);
        create table public.flag (id integer primary key, land text references public.land on update set null);
        insert into public.land values ('a', 'A'), ('b', 'B');
        insert into public.town values ('a', 1), ('a', 2), ('b', 1);
        insert into public.street values (1, 'a', 1), (2, 'a', 2), (3, 'b', 1);
        insert into public.flag values (1, 'a'), (2, 'b');
        """,
    )
    tables = await Tables.of(database, "public.land", "public.town", "public.street", "public.flag")
    before = await tables.bytes_of()
    planned = await tables.complete(lambda land, *_: [land.update("a", {"code": "z"})])
    assert len(planned[0]) == 6
    run = await tables.write(planned)
    assert await tables.apply(run) == Tally(applied=6)
    assert await rows(database, "select land, town from public.street order by id") == [("z", 1), ("z", 2), ("b", 1)]
    assert await rows(database, "select land from public.flag order by id") == [(None,), ("b",)]
    assert await tables.undo(run) == Tally(applied=6)
    assert await tables.bytes_of() == before


async def test_partitions(database):
    await rows(
        database,
        """
        create table public.visits (day date not null, id integer not null, note text, primary key (day, id))
            partition by range (day);
        create table public.visits_a partition of public.visits for values from ('2024-01-01') to ('2024-02-01');
        create table public.visits_b partition of public.visits for values from ('2024-02-01') to ('2024-03-01')
            partition by hash (id);
        create table public.visits_b0 partition of public.visits_b for values with (modulus 2, remainder 0);
        create table public.visits_b1 partition of public.visits_b for values with (modulus 2, remainder 1);
        insert into public.visits select '2024-01-25'::date + i, i, 'n' || i from generate_series(1, 20) i;
        create function public.shout() returns trigger language plpgsql as
            $$ begin new.note := upper(new.note); return new; end $$;
        create trigger shout before insert or update on public.visits for each row execute function public.shout();
        """,
    )
    tables = await Tables.of(database, "public.visits")
    before = await tables.bytes_of()
    run = await tables.plan(
        lambda t: [
            *(t.delete((f"2024-01-{25 + i}", i)) for i in range(1, 7)),
            t.update(("2024-02-01", 7), {"day": "2024-01-02"}),
            t.update(("2024-02-02", 8), {"note": "x"}),
            t.delete(("2024-02-03", 9)),
            t.create({"day": "2024-02-28", "id": 9, "note": "new"}),
        ]
    )
    await rows(database, "update public.visits set note = 'edited' where id = 9")
    assert await tables.apply(run) == Tally(applied=9, conflicts=1)
    assert await one(database, "select note from only public.visits_a where id = 7") == "N7"
    await rows(database, "alter table public.visits disable trigger user; update public.visits set note = 'n9' where "
                         "day = '2024-02-03' and id = 9; alter table public.visits enable trigger user")  # fmt: skip
    assert await tables.undo(run) == Tally(applied=9)
    assert await tables.bytes_of() == before


async def test_rows_that_refer_to_themselves_and_in_circles(database):
    await rows(
        database,
        """
        create table public.node (id integer primary key, next integer references public.node, note text);
        insert into public.node values (1, 1), (2, null), (3, 2);
        update public.node set next = 3 where id = 2;
        """,
    )
    tables = await Tables.of(database, "public.node")
    before = await tables.bytes_of()
    run, tally = await tables.do(lambda t: [t.delete(id) for id in (1, 2, 3)])
    assert tally == Tally(applied=3)
    assert await tables.undo(run) == Tally(applied=3)
    assert await tables.bytes_of() == before


async def test_creates_that_need_each_other_come_in_an_order_that_works(database):
    await rows(
        database,
        "create table public.child (id integer primary key, p integer); "
        "create table public.parent (id integer primary key); "
        "alter table public.child add foreign key (p) references public.parent",
    )
    tables = await Tables.of(database, "public.child", "public.parent")
    run, tally = await tables.do(
        lambda child, parent: [
            unit for i in range(30) for unit in ((child.create({"id": i, "p": i}), parent.create({"id": i})), )
        ]
    )  # fmt: skip
    assert tally == Tally(applied=60)
    assert await tables.undo(run) == Tally(applied=60)


async def test_a_plan_whose_order_matters_beyond_its_units(database):
    """Each row is a unit of its own, and refers to the one before; of another store in turn."""
    await rows(
        database,
        "create table public.odd (id integer primary key, p integer); create table public.even ("
        "id integer primary key, p integer references public.odd); "
        "alter table public.odd add foreign key (p) references public.even",
    )
    tables = await Tables.of(database, "public.odd", "public.even")
    run, tally = await tables.do(
        lambda odd, even: [(odd, even)[i % 2].create({"id": i, "p": i - 1 if i else None}) for i in range(40)]
    )
    assert tally == Tally(applied=40)
    assert await tables.undo(run) == Tally(applied=40)


async def test_drafts_of_other_stores_pass(books):
    other = Draft(store="skills", kind="delete", key=("tidy",), before=("x",), revision="r", reason=None)
    planned = await books.complete(lambda t: [(t.delete(1), other), t.delete(99)])
    assert planned[0][1] == Planned(store="skills", kind="delete", key=("tidy",), before=("x",), revision="r")
    (unit,) = await books.complete(lambda t: [(t.delete(99), other)])
    assert [change.kind for change in unit] == ["keep", "keep"]
