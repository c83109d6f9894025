-- Where what was written is gathered: one row for each record that is different afterwards.
create temporary table dure_rehearsed (
    id bigint generated always as identity, tbl integer not null, kind text not null,
    key text[] collate "C" not null, to_key text[] collate "C", before text[] collate "C", after text[] collate "C", revision text
) on commit drop
