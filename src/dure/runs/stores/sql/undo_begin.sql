-- Where the way back is worked out before it is written down: one row for each change that is to be taken back.
-- key is where the record is now, to_key where it has to go if that is elsewhere; present is what is there now, wanted what
-- was there before; does says whether it will be done, code why or why not.
create temporary table dure_undo (
    seq bigint not null, chunk integer not null, store text collate "C" not null, unit bigint, subject text, scope text not null,
    kind text not null, key text[] collate "C" not null, to_key text[] collate "C",
    wanted text[] collate "C", present text[] collate "C", revision text,
    code text not null, params jsonb not null, does boolean not null
) on commit drop
