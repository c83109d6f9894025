-- Reads rows by their keys: the exact image of each, and which version it is.
select k.at::integer, {image}, {revision}
from unnest({arrays}) with ordinality k({columns}, at) join {table} t on {match}
