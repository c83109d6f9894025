"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0022_outbox.pre", after="0021_intents")
