-- Makes the views with the names of older systems where the names are free by now; see dure.make_faces.
-- Locks nothing when they are there.
do $$
begin
    if to_regprocedure('dure.make_faces()') is not null then
        perform dure.make_faces();
    end if;
end $$
