"""For workers under fault injection: jobs that wait in the middle, and are soon missed."""

from tests.faults.settings import *  # noqa: F403
from tests.faults.settings import INSTALLED_APPS

INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app != "tests.faults.apps.SiteUnderTest"),
    "tests.faults.apps.WorkerUnderTest",
]
STUDY = {
    "MAKERS": {
        "wordcloud": "tests.faults.study_makers.Waiting",
        "knowledge_graph": "tests.faults.study_makers.Stubborn",
    }
}
