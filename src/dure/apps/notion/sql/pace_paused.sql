-- Whether Notion wants to be left alone now.
select paused_until > dure.now() from dure.notion_pace
