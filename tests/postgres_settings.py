"""Settings for tests on PostgreSQL, whose URL is in POSTGRES_URL; see tests/postgres.py.

By hand: `POSTGRES_URL=postgres://… python -m pytest --ds=tests.postgres_settings tests/rag`
"""

from config import env
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES["default"] = {
    **env.database("POSTGRES_URL", None),
    "CONN_HEALTH_CHECKS": True,
    "TEST": {"NAME": "coursetrace_tests"},
}
