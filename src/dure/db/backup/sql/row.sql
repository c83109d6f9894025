-- The rows of a table, each as the text that stands behind VALUES.
select '(' || {values} || ')' from {table} order by {order}
