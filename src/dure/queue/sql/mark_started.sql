-- Records, before it starts, that a suspect starts; false when the claim is gone.
select dure.mark_started(%(claim)s, array[%(id)s::uuid])
