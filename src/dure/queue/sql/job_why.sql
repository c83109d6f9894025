-- Why a job does not run, or what became of it; see dure.why. Locks nothing.
select dure.why(%(id)s::text::uuid)
