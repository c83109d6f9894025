-- A part of check.sql: the bit of a kind of record of which a user has none in the period.
case when exists (
    select from {records} r where r.{user} = u.{id} and r.{time} >= {first} and r.{time} < {until}
) then 0 else {bit} end
