-- Whether there has ever been a key: a revoked one counts, so that the door never opens again by itself.
select exists (select from dure.api_key)
