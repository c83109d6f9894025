-- What the server is, what time it has, and the settings that decide whether a commit survives a power cut.
select current_setting('server_version_num')::int, current_setting('server_version'), clock_timestamp(),
    array(select name from unnest(array['fsync', 'synchronous_commit', 'full_page_writes']) as name
          where current_setting(name) = 'off')
