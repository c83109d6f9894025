"""Scheduled interventions: a recommendation for every user who has the records for it, once a day, week or month."""
