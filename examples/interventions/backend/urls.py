"""Addresses: the admin, which shows Dure's pages beside the project's own."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
