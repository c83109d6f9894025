-- The records that go along with others, each with the smallest number of all that belong together, and how deep it hangs.
create temporary table dure_rehearsed_unit (id bigint not null, unit bigint not null, depth integer not null) on commit drop
