-- Jobs that ended badly and are still kept.
select count(*) filter (where state = 'failed'), count(*) filter (where state = 'quarantined') from dure.trouble
