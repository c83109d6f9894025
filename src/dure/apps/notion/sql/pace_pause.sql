-- Lets nobody call Notion for some seconds; never makes a pause shorter.
update dure.notion_pace set paused_until = greatest(paused_until, dure.now() + make_interval(secs => %(after_s)s))
