-- Takes the next place in the line before Notion; see dure.notion_turn. Locks the line's one row until the end of the
-- transaction, which must be short.
select wait_s, is_paused from dure.notion_turn(%(apart_s)s, %(patience_s)s)
