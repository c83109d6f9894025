"""Dure's file of this number."""

from dure.contrib.django.migrating import migration

Migration = migration("0008_faces.pre", after="0007_requests")
