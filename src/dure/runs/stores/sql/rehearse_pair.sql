-- A row that is gone and a new one that differ in their keys alone are one row that got another key.
with gone as (
    select id, {before} as rest, row_number() over (partition by {before} order by id) as no
    from pg_temp.dure_rehearsed d where tbl = %(tbl)s and kind = 'delete'
), made as (
    select id, key, after, {after} as rest, row_number() over (partition by {after} order by id) as no
    from pg_temp.dure_rehearsed d where tbl = %(tbl)s and kind = 'create'
), pairs as (
    select gone.id as gone, made.id as made, made.key, made.after from gone join made on made.rest = gone.rest and made.no = gone.no
), joined as (
    delete from pg_temp.dure_rehearsed d using pairs p where d.id = p.made
)
update pg_temp.dure_rehearsed d set kind = 'update', to_key = p.key, after = p.after from pairs p where d.id = p.gone
