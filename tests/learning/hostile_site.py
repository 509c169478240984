"""A site whose every word is a hostile text, and what is read off its parsed pages."""

from collections import Counter
from urllib.parse import urlsplit

from axes.models import AccessAttempt, AccessLog
from bs4 import BeautifulSoup
from django.contrib.auth.models import Group
from django.db.models import CharField, JSONField, TextField
from django.utils import timezone

from learning.models import Chapter, Citation, Conversation, Course, Enrolment, Message, User
from rag.models import Chunk, ChunkVector, Document, IndexVersion
from tests.hostile import HOSTILE
from tracing import summaries
from tracing.models import ObservationRecord, ScoreRecord, TraceRecord

# Where Markdown is shown: elements are born there, and which ones is another question.
MARKDOWN = (
    "[data-text], [data-blocks] > .block, [data-quote], .contents,"
    # Titles of conversations, whose formulas and code are shown as such.
    " a[dir=auto][href^='/conversations/'], h2[dir=auto], p.lead[dir=auto]"
)
NEVER = set(
    "script style svg img iframe object embed form input button textarea link meta base video audio"
    " source template noscript frame frameset applet portal".split()
)


class Site:
    """As many of everything as there are texts; `say` makes each text the words of one of each."""

    def __init__(self):
        self.staff = User.objects.create_superuser("boss", "boss@example.org", "boss")
        self.reader = User.objects.create_user("reader")
        for number in range(len(HOSTILE)):
            self._add(number)
        self.course = Course.objects.first()

    def _add(self, number: int) -> None:
        now = timezone.now()
        course = Course.objects.create(slug=f"c{number}", title="t", is_open=True)
        chapter = Chapter.objects.create(course=course, slug="one", title="t", text="t")
        User.objects.create_user(f"u{number}")
        Enrolment.objects.create(user=self.reader, course=course)
        talk = Conversation.objects.create(user=self.reader, course=course, chapter=chapter)
        asked = talk.messages.create(role="user", text="t", ask_id="1", chapter=chapter)
        answer = talk.messages.create(
            role="assistant", status="failed", reply_to=asked, trace_id=f"trace-{number}"
        )
        Citation.objects.create(
            message=answer, number=1, chapter=chapter, title="t", quote="t", start=0, end=1, score=1
        )
        Group.objects.create(name=f"g{number}")
        AccessAttempt.objects.create(ip_address="::1", failures_since_start=1)
        AccessLog.objects.create(ip_address="::1")
        trace = TraceRecord.objects.create(
            id=f"trace-{number}", name="t", status="error", started_at=now, ended_at=now
        )
        ObservationRecord.objects.create(
            id=f"step-{number}", trace=trace, kind="GENERATION", position=0, started_at=now
        )
        ScoreRecord.objects.create(
            id=f"score-{number}", trace_id=trace.pk, name="t", value=1, updated_at=now
        )
        version = IndexVersion.objects.create(collection=course.slug, status="active")
        document = Document.objects.create(collection=course.slug, key=str(chapter.pk), title="t")
        version.documents.add(document)
        vector = ChunkVector.objects.create(content_hash=str(number), dimension=0, vector=b"")
        Chunk.objects.create(
            document=document, vector=vector, position=0, start=0, end=1, text="t", token_count=1
        )

    def say(self, texts: list[str]) -> None:
        everything = (
            Course, Chapter, User, Conversation, Message, Citation, Group, AccessAttempt,
            AccessLog, TraceRecord, ObservationRecord, ScoreRecord, Chunk, Document, IndexVersion,
        )  # fmt: skip
        for model in everything:
            rows = list(model.objects.order_by("pk"))
            if model is User:
                rows = [row for row in rows if row.username not in ("boss", "reader")]
            chosen = [field for field in model._meta.concrete_fields if _is_chosen(field)]
            for number, row in enumerate(rows):
                text = texts[number % len(texts)]
                for field in chosen:
                    setattr(row, field.name, _said(field, text, number))
            model.objects.bulk_update(rows, [field.name for field in chosen])
        User.objects.filter(pk=self.reader.pk).update(username=texts[0], first_name=texts[1])
        summaries.refresh()


KEPT = set(
    "slug status role kind language export_state content_state ask_id trace_id id collection key"
    " password process email content_hash parent_id".split()
)


def _is_chosen(field) -> bool:
    """Whether somebody chooses the words of a field: a student, an author, a model, a provider."""
    return field.name not in KEPT and isinstance(field, CharField | TextField | JSONField)


def _said(field, text: str, number: int):
    if not isinstance(field, JSONField):
        return (f"{text} {number}" if field.unique else text)[: field.max_length]
    if field.get_default() == []:
        return [text]
    if field.name == "input":
        return [{"role": text, "content": text, "more": text}]
    if field.name == "output":
        return {"passages": [{"title": text, "text": text, "score": 0.5}], text: text}
    return {text: text, "response": [text]}


def parsed(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "lxml")


def born_outside_markdown(page: BeautifulSoup) -> Counter:
    """Count the elements of a page, each with the names of its attributes."""
    for region in page.select(MARKDOWN):
        region.clear()
    return Counter(
        f"{element.name} {' '.join(sorted(element.attrs))}" for element in page.find_all(True)
    )


def faults(page: BeautifulSoup) -> list[str]:
    """Return whatever a text has become that it must not: code, an address, an element."""
    found = []
    for element in page.find_all(True):
        if element.name in ("script", "style") and "zqx" in element.get_text():
            # A block of data may hold words, where nothing ends it.
            is_data = element.get("type", "") == "application/json"
            found += [] if is_data and "<" not in element.get_text() else [f"code: {element}"]
        for name, value in element.attrs.items():
            words = " ".join(value) if isinstance(value, list) else value
            if "zqx" not in words:
                continue
            is_code = name.startswith(("on", "x-", "@", ":", "hx-", "v-")) or name == "style"
            is_address = name in ("href", "src", "action", "formaction", "srcset", "xlink:href")
            if is_code or (is_address and _leads_astray(words)):
                found.append(f"{element.name} {name}={words}")
    for region in page.select(MARKDOWN):
        for element in region.find_all(True):
            if element.name in NEVER or _has_forbidden(element.attrs):
                found.append(f"in Markdown: {element}")
    return found


def _leads_astray(address: str) -> bool:
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return True
    return parts.scheme not in ("", "http", "https", "mailto")


def _has_forbidden(attributes: dict) -> bool:
    names = {name.lower() for name in attributes}
    return bool(
        any(name.startswith("on") for name in names)
        or names & {"style", "src", "srcset", "name", "ping", "target", "srcdoc", "xlink:href"}
        or _leads_astray(attributes.get("href", ""))
    )
