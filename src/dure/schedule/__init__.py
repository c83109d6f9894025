"""Schedules and windows: rules of when to fire, what makes them fire, and windows that close themselves."""
