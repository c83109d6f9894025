-- Rows of mem0's entities that name some memories, each with its payload without them. Reads the whole table.
select array[{key}], m.{payload}::jsonb -> 'linked_memory_ids', m.{payload}::text from {table} m
where m.{payload}::jsonb -> 'linked_memory_ids' ?| %(ids)s
order by 1
