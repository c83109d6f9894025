-- Where a sequence goes on.
select pg_catalog.setval({sequence}, {last_value}, {is_called})
