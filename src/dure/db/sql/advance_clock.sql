-- Moves the clock on by so many seconds from where it is, and holds it there. For tests; only the owner may.
update dure.clock set fake_now = dure.now() + make_interval(secs => %s)
