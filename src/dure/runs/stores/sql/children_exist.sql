-- Says which of the given records rows of another table refer to.
select k.at::integer, count(*)
from unnest({arrays}) with ordinality k({columns}, at) join {table} t on {match}
group by k.at
