-- Lets what was worked out be read in the order of the plan, without sorting the images.
create unique index on pg_temp.dure_undo (seq)
