-- Which record goes along with which other one, by which foreign key.
create temporary table dure_rehearsed_edge (child bigint not null, parent bigint not null, is_early boolean not null, reason jsonb) on commit drop
