-- Deletes the rows of a group of changes. Locks them in the order of the plan.
delete from {table} t using dure.change c
where c.run_id = %(run_id)s and {picked} and c.kind <> 'keep' and {match}
