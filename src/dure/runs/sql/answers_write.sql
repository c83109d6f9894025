-- What a person says to questions of a plan, all of them when none is named; what a question takes along goes with it.
-- Answers how many of those that were named are questions. Locks the answers.
with asked as (
    select c.run_id, c.seq, c.tenant_id from dure.change c
    where c.run_id = %(id)s::text::uuid and c.ask 
      and (%(seqs)s::bigint[] is null or c.seq = any (%(seqs)s::bigint[]) or c.unit in (
          select u.unit from dure.change u where u.run_id = c.run_id and u.seq = any (%(seqs)s::bigint[]) and u.ask))
), said as (
    insert into dure.answer (run_id, seq, tenant_id, accepted, actor)
    select run_id, seq, tenant_id, %(accepted)s, %(actor)s from asked
    on conflict (run_id, seq) do update set accepted = excluded.accepted, actor = excluded.actor, at = dure.now()
    returning seq
)
select count(*) from said where %(seqs)s::bigint[] is null or seq = any (%(seqs)s::bigint[])
