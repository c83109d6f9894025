-- Chains entries of the log, and says whether partitions are due to be looked after. Locks what it chains, and the heads.
select dure.seal_log(%(most)s), (select u.next_at <= dure.now() from dure.channel_upkeep u)
