"""Items as a maker would leave them, and the staff who look at them."""

from django.contrib.auth.models import Permission

from learning.artefacts.passages import place_of
from learning.models import Course, ItemPassage, StudyItem
from tests.conftest import person

SINGLE = {
    "type": "single",
    "text": "Where does photosynthesis happen?",
    "options": ["In the chloroplasts", "In the roots", "In the soil"],
    "right": [0],
    "accepted": [],
    "explanation": "It happens in the chloroplasts.",
}
SHORT = {
    "type": "short",
    "text": "What does a root take from the soil?",
    "options": [],
    "right": [],
    "accepted": ["water", "water and minerals"],
    "explanation": "A root takes water and minerals.",
}


def item(course: Course, kind: str, content: dict, *forms: str, **fields) -> StudyItem:
    """An item that stands on the places where these words first stand in the course."""
    key = content.get("text") or content.get("name") or content.get("type")
    made = StudyItem.objects.create(
        course=course, kind=kind, content=content, **{"key": key[:64], **fields}
    )
    for form in forms:
        stand(made, form)
    return made


def stand(item: StudyItem, form: str) -> None:
    for chapter in item.course.chapters.all():
        if place_of(chapter.text, form):
            ItemPassage.objects.create(
                item=item,
                chapter=chapter,
                start=0,
                end=len(chapter.text),
                title=chapter.title,
                quote=chapter.text,
                form=form,
            )
            return
    raise AssertionError(f"“{form}” stands nowhere in the course")


def question(course: Course, content: dict = SINGLE, form: str = "chloroplasts", **fields):
    return item(course, "question", content, form, **fields)


def term(course: Course, name: str, *aliases: str, **fields) -> StudyItem:
    return item(course, "term", {"name": name, "aliases": list(aliases)}, name, **fields)


def concept(course: Course, name: str, **fields) -> StudyItem:
    content = {"name": name, "aliases": [], "definition": "", "x": 0.25, "y": 0.5}
    return item(course, "concept", content, name, **fields)


def reviewer(name: str, *may: str):
    """A member of staff with these permissions, such as "view_studyitem"."""
    user = person(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=may))
    return user
