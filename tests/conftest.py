"""The cast, and how tests see what was traced."""

import pytest

from tracing import recorder
from tracing.thread_recorder import ThreadRecorder

pytest_plugins = ["tests.postgres", "tests.servers.fixtures", "tests.servers.prepared"]


def pytest_collection_modifyitems(items):
    # What takes long comes late; the browser last of all: Playwright's event loop runs until the
    # session ends, and async tests cannot run beside it.
    late = ("tests/faults/", "tests/browser/")
    items.sort(key=lambda item: [folder in item.path.as_posix() for folder in reversed(late)])


@pytest.fixture(autouse=True)
def traces():
    """What was traced, as objects in memory: `traces.last`, `traces.traces`, `traces.scores`."""
    memory = recorder.MemoryRecorder()
    before = recorder.use_recorder(memory)
    yield memory
    recorder.use_recorder(before)


@pytest.fixture
def recorded(transactional_db):
    """The real recorder: rows are there after `recorded.drain()`."""
    thread = ThreadRecorder()
    before = recorder.use_recorder(thread)
    yield thread
    thread.close()
    recorder.use_recorder(before)


def person(username: str, **kwargs):
    # Imported here: where tracing is tested alone, users are Django's and there are no courses.
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    return users.create_user(username, f"{username}@example.org", username, **kwargs)


@pytest.fixture
def alice(db):
    """A student, enrolled in `course`."""
    return person("alice")


@pytest.fixture
def bob(db):
    """Another student, enrolled too, who may not see what is Alice's."""
    return person("bob")


@pytest.fixture
def staff(db):
    return person("staff", is_staff=True, is_superuser=True)


@pytest.fixture
def course(alice, bob):
    """A course of two chapters about plants, with Alice and Bob in it; not indexed."""
    from learning.models import Chapter, Course, Enrolment

    course = Course.objects.create(slug="plants", title="Plants", is_open=True)
    Chapter.objects.create(
        course=course,
        slug="photosynthesis",
        title="Photosynthesis",
        position=1,
        text=(
            "Plants feed on light.\n\n## What it is\n\nPhotosynthesis is the process by which a "
            "plant turns light, water and carbon dioxide into sugar and oxygen.\n\n## Where\n\n"
            "It happens in the chloroplasts, small green bodies in the cells of a leaf."
        ),
    )
    Chapter.objects.create(
        course=course,
        slug="roots",
        title="Roots",
        position=2,
        text="## What roots do\n\nA root takes water and minerals from the soil.",
    )
    for student in (alice, bob):
        Enrolment.objects.create(user=student, course=course)
    return course
