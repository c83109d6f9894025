"""The settings of a Django project in tests; its database is the one of `DJANGO_TEST_URL`, or set by `djangos`."""

import os
from importlib.util import find_spec

from psycopg.conninfo import conninfo_to_dict

HAS_TASKS = any(find_spec(name) is not None for name in ("django.tasks", "django_tasks"))

given = conninfo_to_dict(os.environ.get("DJANGO_TEST_URL", ""))
SECRET_KEY = "not-a-secret"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
TIME_ZONE = "Asia/Seoul"
LANGUAGE_CODE = "en"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "django_project"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given.get("dbname", "none"),
        "USER": given.get("user", ""),
        "HOST": given.get("host", ""),
        "PORT": given.get("port", ""),
    }
}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin",
    "dure.contrib.django",
    "django_shop",
]
if os.environ.get("DJANGO_TEST_BEAT"):
    INSTALLED_APPS += ["django_celery_beat"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DURE = {"TENANT": "shop", "IMPORTS": ["django_shop.jobs"], "POLL_S": 0.05}
if HAS_TASKS:
    DURE["TASKS"] = ["django_shop.tasks"]
    TASKS = {"default": {"BACKEND": "dure.contrib.django.tasks.DureBackend", "QUEUES": []}}


def __getattr__(name):
    # Only for whoever asks for routes: the admin is not there before the apps are.
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.contrib import admin
    from django.urls import path

    return [path("admin/", admin.site.urls)]
