-- Reads rows by their keys for a planner: the key's text, and the columns as values.
select k.at::integer, {key}, {values}
from unnest({arrays}) with ordinality k({columns}, at) join {table} t on {match}
order by k.at
