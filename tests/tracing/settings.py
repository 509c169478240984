"""Only the tracing app, and what Django's admin needs: proves that it can be lifted out.

pytest tests/tracing --ds=tests.tracing.settings
"""

import atexit
import shutil
import tempfile
from pathlib import Path

SECRET_KEY = "a key for tests, long enough to be no warning: 0123456789abcdefghij"
ALLOWED_HOSTS = ["testserver"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "tracing",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tracing.middleware.TracingMiddleware",
]
ROOT_URLCONF = "tests.tracing.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
# A file: the recorder's thread opens a connection of its own.
_FOLDER = Path(tempfile.mkdtemp(prefix="tracing-tests-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _FOLDER / "tracing.sqlite3",
        "TEST": {"NAME": str(_FOLDER / "test.sqlite3")},
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
STATIC_URL = "/static/"
USE_TZ = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TRACING = {"RAISE_ERRORS": True}
