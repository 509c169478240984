"""Settings for tests: the product's own, away from a developer's keys, servers and data."""

import atexit
import os
import shutil
import tempfile

# An empty value counts as unset; a developer's `.env` is not read.
os.environ.update(
    dict.fromkeys(
        (
            "OPENAI_API_KEY",
            "OPENAI_BASE_URL",
            "CHAT_MODEL",
            "EMBEDDING_MODEL",
            "RERANKER_MODEL",
            "LANGFUSE_HOST",
            "LANGFUSE_PUBLIC_KEY",
            "LANGFUSE_SECRET_KEY",
            "LANGFUSE_PUBLIC_URL",
            "LANGFUSE_PROJECT_ID",
            "TRACING_USER_ID",
            "TRACING_CAPTURE_CONTENT",
            "EMAIL_URL",
            "EMAIL_FROM",
            "REDIS_URL",
            "DATABASE_URL",
            "DJANGO_ALLOWED_HOSTS",
            "DJANGO_CSRF_TRUSTED_ORIGINS",
            "DJANGO_HTTPS",
            "DJANGO_PROXIES",
            "FALLBACK_CHAT_MODEL",
            "QUESTIONS_PER_DAY",
            "CONCURRENT_ANSWERS",
        ),
        "",
    ),
    ENV_FILE=os.devnull,
    DATA_DIR=tempfile.mkdtemp(prefix="coursetrace-tests-"),
    DJANGO_DEBUG="0",
)

from config.settings import *  # noqa: F403
from config.settings import DATA_DIR, DATABASES, STORAGES, TRACING

# A file: the live server and the recorder's thread open connections of their own.
DATABASES["default"].setdefault("TEST", {})["NAME"] = str(DATA_DIR / "test.sqlite3")
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
TRACING["RAISE_ERRORS"] = True
UPKEEP = False
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir()
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
