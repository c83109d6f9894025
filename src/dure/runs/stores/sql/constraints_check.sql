-- Checks now what was left for later, and fires the triggers that wait for it.
set constraints all immediate
