-- Says where names without a schema are looked for until the transaction ends.
select set_config('search_path', %s, true)
