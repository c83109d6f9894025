-- Whoever is still connected is sent away.
drop database if exists {} with (force)
