"""Telling people of runs: webhooks that are signed, and every service that Apprise knows."""
