"""The product's own settings; only what is waited for is shorter, so that a fault ends in seconds.

For the processes of a site: `running_site(data, DJANGO_SETTINGS_MODULE="tests.faults.settings")`.
"""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS, RAG, TRACING

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.apps.SiteUnderTest"]
TRACING["LANGFUSE_TIMEOUT_SECONDS"] = 1  # less than the lease, as with the real ones
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Search is not asked here: by a model that counts words, a site starts in a second.
RAG["EMBEDDER"] = "tests.rag.parts.WordEmbedder"
