-- Where and when a backup is made, by the database's clock.
select transaction_timestamp(), current_setting('server_version'), current_database()
