"""The folder of a site with a course, its index and its students, made once a session.

`tests/conftest.py` names this module in `pytest_plugins`; nothing here imports the product.
"""

import shutil
from pathlib import Path

import pytest

from tests.servers.site import prepare_site

STUDENTS = 20  # student0 and so on, password as the name
COURSE = Path(__file__).resolve().parent.parent / "browser" / "course"
# In one process: each `manage.py` takes a second to start.
PREPARE = f"""
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("import_course", {str(COURSE)!r}, "--open", verbosity=0)
from learning.models import Course, Enrolment, User
course = Course.objects.get()
for number in range({STUDENTS}):
    name = f"student{{number}}"
    Enrolment.objects.create(user=User.objects.create_user(name, password=name), course=course)
call_command("reindex", verbosity=0)
from django_tasks_db.models import DBTaskResult
DBTaskResult.objects.all().delete()  # done already, and a worker would begin with it
"""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """Only to be copied: what one test's site writes would be there in every later test."""
    folder = tmp_path_factory.mktemp("prepared")
    settings = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings"}
    prepare_site(folder, [["shell", "-v", "0", "-c", PREPARE]], **settings)
    return folder


@pytest.fixture
def data(prepared, tmp_path) -> Path:
    """The folder of a site with an indexed course and students in it."""
    return Path(shutil.copytree(prepared, tmp_path / "data"))


@pytest.fixture(scope="module")
def module_data(prepared, tmp_path_factory) -> Path:
    """The same for all tests of a module together."""
    return Path(shutil.copytree(prepared, tmp_path_factory.mktemp("module") / "data"))
