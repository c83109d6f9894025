-- Answers where names without a schema are looked for.
select current_setting('search_path')
