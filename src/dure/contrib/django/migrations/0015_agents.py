"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0015_agents.pre", after="0014_notion")
