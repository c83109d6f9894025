"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0012_knowledge.pre", after="0011_runs")
