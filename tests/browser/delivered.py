"""A site as it is delivered, without DEBUG: the demo courses, worked with, and a very long chapter.

Nothing here imports the product; what is done to its rows is done in a process of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.openai_server import OpenAIServer
from tests.servers.site import prepare_site, running_site

PASSWORD = "a-long-phrase-42"
SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
    "DJANGO_DEBUG": "0",
    "EMAIL_URL": "smtp://127.0.0.1:1",  # passwords can be asked for anew
    "EMAIL_FROM": "tutor@example.org",
}
# What was found in the courses is approved. `teacher` has the Chinese course; `mei` has asked and
# was answered at length, and what she asked in Chinese is of a day that tests know.
PREPARE = f"""
from datetime import UTC, datetime
from django.core.management import call_command
from learning.artefacts import generating, requesting
from learning.models import Chapter, Conversation, Course, Enrolment, Feedback, StudyItem, User

call_command("load_demo", password={PASSWORD!r}, verbosity=0)
call_command("reindex", verbosity=0)
calculus, chinese = Course.objects.get(slug="calculus"), Course.objects.get(language="zh-hans")
for kind in ("wordcloud", "knowledge_graph", "quiz"):
    for course in (calculus, chinese):
        generating.generate(requesting.request(course, kind).pk)
StudyItem.objects.update(status="approved")
whole = "\\n\\n".join(calculus.chapters.values_list("text", flat=True))
long = Course.objects.create(slug="long", title="All of it", is_open=True)
long.chapters.create(
    slug="whole", title="All of it", position=1, text=whole, published_at=datetime.now(UTC)
)
User.objects.get(username="teacher").taught_courses.set([chinese])
mei = User.objects.create_user("mei", "mei@example.org", {PASSWORD!r})
Enrolment.objects.bulk_create(Enrolment(user=mei, course=each) for each in Course.objects.all())

def ask(conversation, question, answer, number):
    asked = conversation.messages.create(role="user", text=question, ask_id=str(number))
    given = conversation.messages.create(
        role="assistant", text=answer, reply_to=asked, status="complete"
    )
    chapter = conversation.course.chapters.first()
    given.citations.create(
        number=1, title=chapter.title, quote=chapter.text[:600], start=0, end=600, score=1.0
    )
    return given

talk = mei.conversations.create(course=calculus, title="Long answers")
for n in range(12):
    ask(talk, f"Question {{n}}?", whole[n * 4000 : n * 4000 + 4000] + "[1]", n)
talk = mei.conversations.create(course=chinese, title="什么是过拟合？")
for n, question in enumerate(("什么是过拟合？", "什么是导数？", "什么是学习率？")):
    answer = ask(talk, question, "见 [1]。", n)
Feedback.objects.create(message=answer, is_helpful=False, reason="unclear", comment="太短")
Conversation.objects.filter(pk=talk.pk).update(updated_at=datetime(2026, 11, 23, 9, 5, tzinfo=UTC))
"""


@dataclass
class Delivered:
    url: str
    data: Path
    openai: OpenAIServer
    password: str = PASSWORD  # of everybody: `student`, `mei`, `teacher`, `staff`


@contextmanager
def delivered_site(data: Path) -> Iterator[Delivered]:
    """Prepare and serve it from a folder that has the course of tides already."""
    prepare_site(data, [["shell", "-v", "0", "-c", PREPARE]], **SETTINGS)
    with (
        OpenAIServer(pace_seconds=0.02) as openai,
        running_site(data, OPENAI_BASE_URL=openai.url, **SETTINGS) as url,
    ):
        yield Delivered(url, data, openai)
