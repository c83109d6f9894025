"""A window over a Notion page: its to-dos are worked by a handler of the user's, their results written beneath them."""
