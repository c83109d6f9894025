-- Where the rows of one table arrive as the statement left them; without an image those that it only locked.
create temporary table dure_rehearsed_after (key text[] collate "C" not null, image text[] collate "C") on commit drop
