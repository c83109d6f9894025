-- Notes that changes whose outcome was only intended are done; what a trigger changed was noted already. Locks: outcomes.
update dure.outcome set state = 'applied', reason = null, tries = tries + 1, at = dure.now()
where run_id = %(run_id)s and seq = any (%(seqs)s) and state = 'intended'
