"""A site on which every secret is a word that stands nowhere else, and everybody who may knock.

Each word says who may ever read it; `leaks` looks for the others in what came out of a door.
"""

import hashlib
import io
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.utils import timezone

from learning.models import (
    Chapter,
    Citation,
    Conversation,
    Course,
    CourseImage,
    CourseImport,
    Enrolment,
    Message,
    QuizAttempt,
    StudyArtefact,
    StudyItem,
    User,
)
from tests.conftest import person
from tracing.models import ObservationRecord, ScoreRecord, TraceRecord

LOOKS = "staff", "examiner", "superuser"  # at courses; at more only by permission
# The teacher looks after the course of meadows alone.
EVERYBODY = "visitor", "alice", "bob", "carol", "dora", "erin", "teacher", *LOOKS
SUPERUSER = ("superuser",)
NOBODY = ()

# Who may read which word, at any door.
MAY_READ = {
    # The course of plants is closed. Alice and Bob are in it; Dora was, and has conversations.
    "canary-plants-name": ("alice", "bob", "dora", *LOOKS),
    "canary-plants-text": ("alice", "bob", *LOOKS),
    "canary-hidden": LOOKS,  # a chapter of plants that was published when Alice asked about it
    "canary-scheduled": LOOKS,  # one that will be published tomorrow
    "canary-deleted": ("examiner", "superuser"),  # one that is gone; a citation quotes it
    "canary-trees": ("carol", *LOOKS),  # another closed course
    # The text of an open course that nobody has joined.
    "canary-meadow-text": ("teacher", *LOOKS),
    # What was made of the course of plants and is not approved, whatever its chapter.
    "canary-waiting": SUPERUSER,
    "canary-rejected": SUPERUSER,
    # What was said, of which staff read in the admin what they have permission for.
    "canary-alices": ("alice", "examiner", "superuser"),
    "canary-bobs": ("bob", "examiner", "superuser"),
    "canary-carols": ("carol", "examiner", "superuser"),
    "canary-doras-title": ("dora", "examiner", "superuser"),
    "canary-doras-talk": ("examiner", "superuser"),
    "canary-traced": SUPERUSER,
    # One's own address is on one's own page.
    **{
        f"canary-mail-{name}": (name, "superuser")
        for name in ("alice", "bob", "carol", "dora", "erin")
    },
    "canary-key": NOBODY,
}


@dataclass
class World:
    people: dict[str, User | None] = field(default_factory=dict)
    courses: dict[str, Course] = field(default_factory=dict)
    chapters: dict[str, Chapter] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    attempts: dict[str, QuizAttempt] = field(default_factory=dict)
    images: dict[str, CourseImage] = field(default_factory=dict)  # by the chapter that shows it

    def values(self, parameter: str) -> list[str]:
        """What stands in an address for this parameter: everything there is, and what is not."""
        return {
            "course_slug": [*(course.slug for course in self.courses.values()), "nothing"],
            "chapter_slug": [*(chapter.slug for chapter in self.chapters.values()), "nothing"],
            "conversation_id": [
                *(str(conversation.pk) for conversation in self.conversations.values()),
                str(uuid.uuid4()),
            ],
            "key": ["a-key-of-no-course"],
            "sha256": [*(image.sha256 for image in self.images.values()), "0" * 64],
            "kind": ["svg"],
            "attempt_id": [
                *(str(attempt.pk) for attempt in self.attempts.values()),
                str(uuid.uuid4()),
            ],
        }[parameter]

    def browser(self, role: str) -> Client:
        """A browser of this person, logged in; Erin was deactivated after she logged in."""
        browser = Client(raise_request_exception=False)
        user = self.people[role]
        if user is not None:
            browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return browser


def leaks(role: str, said: str, *, asked: str = "") -> list[str]:
    """Return the words in `said` that this role may not read, and did not say itself."""
    return [
        word
        for word, readers in MAY_READ.items()
        if word in said and role not in readers and word not in asked
    ]


def build() -> World:
    world = World()
    add_people(world)
    _courses(world)
    for role in ("alice", "bob", "dora"):
        world.conversations[role] = _talk(world, role, "plants")
    world.conversations["carol"] = _talk(world, "carol", "trees")
    for chapter in world.chapters.values():
        _items(chapter)
    for role, slug in (("alice", "plants"), ("dora", "plants"), ("carol", "trees")):
        world.attempts[role] = _attempt(world, role, slug)
    Enrolment.objects.filter(user=world.people["dora"]).delete()
    User.objects.filter(username="erin").update(is_active=False)
    world.people["erin"].is_active = False
    StudyArtefact.objects.create(
        course=world.courses["plants"], kind="quiz", detail="canary-plants-text"
    )
    CourseImport.objects.create(
        course=world.courses["plants"], name="canary-waiting", report={"added": ["canary-waiting"]}
    )
    _cite(world)
    _trace(world.conversations["alice"])
    return world


def add_people(world: World) -> None:
    world.people = {"visitor": None}
    for name in ("alice", "bob", "carol", "dora", "erin"):
        world.people[name] = person(name)
    world.people["staff"] = person("staff", is_staff=True)
    world.people["examiner"] = person("examiner", is_staff=True)
    may = ["view_conversation", "view_message", "view_citation", "view_tracerecord"]
    world.people["examiner"].user_permissions.set(Permission.objects.filter(codename__in=may))
    make_roles()
    world.people["teacher"] = person("teacher", is_staff=True)
    world.people["teacher"].groups.set(Group.objects.filter(name="Teacher"))
    world.people["superuser"] = person("superuser", is_staff=True, is_superuser=True)
    for user in User.objects.filter(is_staff=False):
        User.objects.filter(pk=user.pk).update(email=f"canary-mail-{user.username}@example.org")


def make_roles() -> None:
    """Make the groups as the migration does: a test that empties the database takes them away."""
    schema_editor = connection.schema_editor()
    import_module("learning.migrations.0006_roles").make_roles(apps, schema_editor)
    import_module("learning.migrations.0007_imports").let_roles_import(apps, schema_editor)


def _courses(world: World) -> None:
    def course(slug: str, name: str, words: str, **fields) -> Course:
        made = Course.objects.create(slug=slug, title=name, summary=f"About {words}", **fields)
        world.courses[slug] = made
        chapter(made, f"{slug}-one", words)
        return made

    def chapter(course: Course, slug: str, words: str, **fields) -> None:
        world.chapters[slug] = Chapter.objects.create(
            course=course,
            slug=slug,
            title=f"Title {words}",
            summary=f"Summary {words}",
            text=f"## Heading {words}\n\nPhotosynthesis, of which the text says {words}.\n"
            f"\n![](figures/{slug}.svg)\n",
            source_path=f"{words}.md",
            **fields,
        )
        world.images[slug] = _image(world.chapters[slug], words)

    plants = course("plants", "Plants canary-plants-name", "canary-plants-text")
    chapter(plants, "hidden", "canary-hidden", published_at=None)
    tomorrow = timezone.now() + timedelta(days=1)
    chapter(plants, "scheduled", "canary-scheduled", published_at=tomorrow)
    course("trees", "Trees canary-trees", "canary-trees")
    meadow = course("meadow", "Meadow", "grass", is_open=True)
    meadow.chapters.update(text="Of grass: canary-meadow-text.")
    meadow.teachers.add(world.people["teacher"])
    for slug, names in (("plants", ("alice", "bob", "dora", "erin")), ("trees", ("carol",))):
        for name in names:
            Enrolment.objects.create(user=world.people[name], course=world.courses[slug])


def _image(chapter: Chapter, words: str) -> CourseImage:
    drawing = f"<svg xmlns='http://www.w3.org/2000/svg'><text>{words}</text></svg>".encode()
    image = CourseImage(
        course=chapter.course,
        path=f"figures/{chapter.slug}.svg",
        kind=CourseImage.Kind.SVG,
        sha256=hashlib.sha256(drawing).hexdigest(),
        width=300,
        height=150,
        size=len(drawing),
    )
    image.keep(io.BytesIO(drawing))
    image.save()
    image.chapters.add(chapter)
    return image


def _talk(world: World, role: str, slug: str) -> Conversation:
    # Who left a course still sees what their conversations in it are called, to delete them.
    title, words = f"canary-{role}s", f"canary-{role}s"
    if role == "dora":
        title, words = "canary-doras-title", "canary-doras-talk"
    conversation = Conversation.objects.create(
        user=world.people[role],
        course=world.courses[slug],
        chapter=world.courses[slug].chapters.first(),
        title=title,
    )
    asked = conversation.messages.create(role="user", text=f"Why {words}?", ask_id=role)
    conversation.messages.create(
        role="assistant", text=f"So {words} [1], [2], [3], [4].", reply_to=asked, model="m"
    )
    return conversation


def _cite(world: World) -> None:
    """Every answer stands on passages that are open, hidden, scheduled, and deleted."""
    for answer in Message.objects.filter(role="assistant").select_related("conversation__course"):
        course = answer.conversation.course
        given = [*course.chapters.order_by("pk"), None][:4]
        for number, chapter in enumerate(given, start=1):
            words = chapter.title if chapter else "canary-deleted"
            Citation.objects.create(
                message=answer,
                number=number,
                chapter=chapter,
                title=f"{words} › Heading",
                quote=f"{words} says",
                start=0,
                end=9,
                score=0.9,
            )


def _items(chapter: Chapter) -> None:
    """An approved term, concept and question of the chapter's words; of plants, others too."""
    words = chapter.title
    _item(chapter, words, "approved", "term", "concept", "question")
    if chapter.slug == "plants-one":
        _item(chapter, "canary-waiting", "pending", "term", "concept", "question")
        _item(chapter, "canary-rejected", "rejected", "term", "concept", "question")


def _item(chapter: Chapter, words: str, status: str, *kinds: str) -> None:
    for kind in kinds:
        content = {"name": words, "aliases": []}
        if kind == "question":
            content = {
                "type": "short",
                "text": f"Why {words}?",
                "options": [],
                "right": [],
                "accepted": [words],
                "explanation": f"So {words}.",
            }
        item = StudyItem.objects.create(
            course=chapter.course,
            kind=kind,
            key=f"{chapter.slug} {status}"[:64],
            content=content,
            status=status,
            weight=1.0,
        )
        item.passages.create(
            chapter=chapter,
            start=0,
            end=9,
            title=words,
            quote=f"{words} says",
            form=words,
            definition=f"{words} is.",
        )


def _attempt(world: World, role: str, slug: str) -> QuizAttempt:
    """One with every approved question of the course, the first of them answered."""
    attempt = QuizAttempt.objects.create(user=world.people[role], course=world.courses[slug])
    asked = StudyItem.objects.filter(course=attempt.course, kind="question", status="approved")
    for position, item in enumerate(asked.order_by("pk"), start=1):
        answered = {"given": "no", "mark": 0.0, "answered_at": timezone.now()}
        attempt.answers.create(
            item=item,
            chapter=item.passages.get().chapter,
            position=position,
            asked=item.content,
            **(answered if position == 1 else {}),
        )
    return attempt


def _trace(conversation: Conversation) -> None:
    words = {"user_message": "canary-traced"}
    answer = conversation.messages.get(role="assistant")
    Message.objects.filter(pk=answer.pk).update(trace_id="trace-1")
    trace = TraceRecord.objects.create(
        id="trace-1",
        name="ai_chat",
        session_id=str(conversation.pk),
        group="plants",
        status="error",
        status_message="canary-traced",
        started_at=timezone.now(),
        input=words,
        output=words,
        metadata=words,
    )
    ObservationRecord.objects.create(
        id="step-1",
        trace=trace,
        kind="SPAN",
        name="retrieve",
        position=0,
        status="ok",
        started_at=timezone.now(),
        input=words,
        output=words,
    )
    ScoreRecord.objects.create(
        id="score-1",
        trace_id="trace-1",
        name="user_feedback",
        value=1,
        comment="canary-traced",
        updated_at=timezone.now(),
    )
