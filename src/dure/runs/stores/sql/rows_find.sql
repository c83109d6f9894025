-- Reads the rows of which a planner's condition holds: the key's text, and the columns as values.
select {key}, {values} from {table} t where {where}
