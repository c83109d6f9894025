-- What a backup needs of the session that it is run in, for its one transaction.
set local timezone = 'UTC';
set local datestyle = 'ISO, MDY';
set local standard_conforming_strings = on;
set local statement_timeout = 0
