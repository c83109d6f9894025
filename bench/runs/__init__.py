"""How fast a plan is made, applied and taken back, beside the plain statement."""
