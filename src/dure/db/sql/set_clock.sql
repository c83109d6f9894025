-- Holds the clock that everything decides by at a moment, or lets it run again. For tests; only the owner may.
update dure.clock set fake_now = %s::timestamptz
