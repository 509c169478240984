"""For web processes under fault injection: faults of a provider show within seconds."""

from tests.faults.settings import *  # noqa: F403
from tests.faults.settings import INSTALLED_APPS, TUTOR

INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app != "tests.faults.apps.SiteUnderTest"),
    "tests.faults.apps.WebUnderTest",
]
TUTOR |= {
    "CONNECT_TIMEOUT_SECONDS": 3,
    "FIRST_TOKEN_SECONDS": 5,  # with the pauses before a question is sent again
    "BETWEEN_TOKENS_SECONDS": 3,
    # A provider that fails one turn in three is not left alone here: the next fault would not come.
    "FAILURES_BEFORE_PAUSE": 10_000,
    "QUESTIONS_PER_DAY": 0,
}
