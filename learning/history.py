"""A student's conversations of a course: found again, named, taken along as a file."""

import re

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from learning.branches import Branches, shown_end
from learning.citations import citations_for
from learning.events import UNSTORABLE
from learning.models import Conversation, Message

LONGEST_TITLE = Conversation._meta.get_field("title").max_length
LONGEST_SEARCH = 200  # characters
MOST_WORDS = 8
LONGEST_FILE_NAME = 80  # without its ending
# What one system or another does not take in the name of a file.
_NOT_IN_FILE_NAMES = re.compile(
    r'[\\/:*?"<>|\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]'
)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$", re.MULTILINE)
_IN_LINK_TEXT = re.compile(r"([\\\[\]*_`<>])")


def search(conversations: QuerySet[Conversation], wanted: str) -> QuerySet[Conversation]:
    """Return those that hold every one of these words, each in its title or in what was said.

    Whatever their case, in any script: SQLite's LIKE knows upper and lower case in ASCII alone,
    so words are looked for as patterns.
    """
    for word in UNSTORABLE.sub("", wanted)[:LONGEST_SEARCH].split()[:MOST_WORDS]:
        pattern = re.escape(word)
        said = Message.objects.filter(conversation=OuterRef("pk"), text__iregex=pattern)
        conversations = conversations.filter(Q(title__iregex=pattern) | Exists(said))
    return conversations


def newest_first(conversations: QuerySet[Conversation]) -> QuerySet[Conversation]:
    """Order them, and add to each how many `questions` were asked in it, of all versions."""
    asked = Count("messages", filter=Q(messages__role=Message.Role.USER))
    return conversations.annotate(questions=asked).order_by("-updated_at", "pk")


def rename(conversation: Conversation, title: str) -> bool:
    """Give a conversation another title; return whether there was one to give."""
    title = " ".join(UNSTORABLE.sub("", title).split())[:LONGEST_TITLE].strip()
    if not title:
        return False
    # By query: `updated_at` orders the list by the last question, and a name is none.
    Conversation.objects.filter(pk=conversation.pk).update(title=title)
    conversation.title = title
    return True


# --- As a file --------------------------------------------------------------------------------


def file_name(conversation: Conversation) -> str:
    """Return a name for a file of this conversation that every system takes."""
    words = _NOT_IN_FILE_NAMES.sub(" ", str(conversation))
    words = " ".join(words.split())[:LONGEST_FILE_NAME].strip(". ")
    return f"{words or _('Conversation')}.md"


def as_markdown(conversation: Conversation, *, site: str) -> str:
    """Return what the conversation's page shows, as Markdown; `site` begins every address.

    Sources are those that are open to its student now, as on the page.
    """
    branches = Branches(conversation.pk)
    path = branches.path(shown_end(conversation, branches))
    messages = Message.objects.in_bulk(path)
    citations: dict = {}
    for citation in citations_for(conversation.user).filter(message__in=path):
        citations.setdefault(citation.message_id, []).append(citation)
    begun = date_format(localtime(conversation.created_at), "DATETIME_FORMAT")
    parts = [
        f"# {_line(str(conversation))}",
        f"- {_('Course: %(title)s') % {'title': _line(conversation.course.title)}}\n"
        f"- {_('Begun: %(date)s') % {'date': begun}}",
    ]
    for pk in path:
        if message := messages.get(pk):
            parts += _said(message, citations.get(pk, ()), site)
    return "\n\n".join(parts) + "\n"


def _said(message: Message, citations, site: str) -> list[str]:
    if message.role == Message.Role.USER:
        # As plain text, which it was; a quotation keeps its lines together.
        quoted = "\n".join(f"> {line}".rstrip() for line in message.text.splitlines())
        return [f"## {_('You asked')}", quoted]
    parts = [f"## {_('The tutor answered')}", _closed(message.text.strip())]
    if message.status != Message.Status.COMPLETE:
        parts.append(f"*{_line(message.error or message.get_status_display())}*")
    # As on the page: what it names; all that was read, of an answer that names nothing.
    citations = [each for each in citations if each.is_cited] or citations
    if citations:
        listed = [f"{c.number}. {_linked(c.title, site, c.url)}" for c in citations]
        parts += [f"### {_('Sources')}", "\n".join(listed)]
    return [part for part in parts if part]


def _linked(title: str, site: str, url: str) -> str:
    return f"[{_line(title)}](<{site}{url}>)" if url else _line(title)


def _line(text: str) -> str:
    """Return a text on one line, its signs standing for themselves."""
    return _IN_LINK_TEXT.sub(r"\\\1", " ".join(text.split()))


def _closed(answer: str) -> str:
    """Close the code that an answer was stopped in: it must not swallow what follows."""
    is_open = ""
    for mark, rest in _FENCE.findall(answer):
        if not is_open:
            is_open = mark
        elif mark.startswith(is_open) and not rest.strip():
            is_open = ""
    return f"{answer}\n{is_open}" if is_open else answer
