-- Answers the number under which this transaction wrote; null when it wrote nothing.
select pg_current_xact_id_if_assigned()::xid::text
