-- Looks after partitions a minute later: somebody holds one of them just now.
select dure.defer_channels()
