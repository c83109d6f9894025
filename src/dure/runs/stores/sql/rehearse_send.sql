-- Sends the rows that this transaction wrote as they are now, and the keys of those that it only locked. Its numbers and those of
-- its parts are younger than any other that it can see. One scan.
copy (
    select {key}, case when age(t.xmin) <= age({xid}::xid) then {image} end
    from {table} t
    where age(t.xmin) <= age({xid}::xid) or t.xmax = {xid}::xid
) to stdout (format binary)
