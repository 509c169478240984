"""Questions that a student might ask: to begin with in a chapter, and after an answer.

They are made of what staff have approved of the course's concepts and terms, else of headings; no
model is asked. They are put in the course's language, as what they name is, and are only offered:
the student sends them, or does not.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from django.utils.translation import gettext as _
from django.utils.translation import override

from learning.branches import Branches
from learning.graphs import Concept, Graph, shown_graph, shown_names
from learning.models import Chapter, Citation, Course, ItemPassage, Message, StudyItem

MOST_STARTERS = 4
MOST_FOLLOW_UPS = 3
LONGEST_HEADING = 90  # characters

_FENCE = re.compile(
    r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_HEADING = re.compile(r"^ {0,3}#{2,3}[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
# Formulas and HTML, which a question in plain words cannot hold.
_NO_WORDS = re.compile(r"[$<>\\]")


def starters(course: Course, chapter: Chapter | None, user) -> list[str]:
    """Return up to four questions for an empty chat: of this chapter, or of the whole course."""
    with override(course.language):
        return _first(MOST_STARTERS, _starters(course, chapter, user))


def _starters(course: Course, chapter: Chapter | None, user) -> Iterator[str]:
    graph = shown_graph(course, user)
    if chapter:
        graph = graph.of_chapter(chapter.pk)
    meanings = [_meaning(concept.name) for concept in graph.concepts[:MOST_STARTERS]]
    yield from _in_turns(meanings, _connections(graph))
    if not meanings:
        yield from map(_meaning, _terms(course, chapter, user))
    if chapter:
        yield from map(_section, headings(chapter.text))
    else:
        titles = course.chapters.visible_to(user).values_list("title", flat=True)
        yield from (_("What is the chapter “%s” about?") % title for title in titles)


def follow_ups(answer: Message, user) -> list[str]:
    """Return up to three questions that lead on from what an answer cites.

    The sources that it does not name count only where it names none. After a question that the
    course does not cover, the questions to begin with are offered.
    """
    with override(answer.conversation.course.language):
        asked = _asked_before(answer)
        found = (question for question in _follow_ups(answer, user) if question not in asked)
        return _first(MOST_FOLLOW_UPS, found)


def _follow_ups(answer: Message, user) -> Iterator[str]:
    course = answer.conversation.course
    readable = course.chapters.visible_to(user)
    if answer.is_weakly_sourced and not answer.citations.filter(is_cited=True).exists():
        # The course does not cover what was asked: back to what it does cover.
        asked_in = Message.objects.filter(pk=answer.reply_to_id).values("chapter")
        yield from _starters(course, readable.filter(pk__in=asked_in).first(), user)
        return
    given = list(answer.citations.filter(chapter__in=readable).select_related("chapter"))
    cited = [citation for citation in given if citation.is_cited] or given[:2]
    if not cited:
        return
    graph = shown_graph(course, user)
    here = _concepts_at(cited, graph, user)
    said = answer.text.casefold()
    offered: set[int] = set()
    for concept in here:
        # What the answer has spoken of already leads no further, nor what was offered before.
        new = [
            other
            for other in concept.neighbours
            if other.name.casefold() not in said and other.id not in offered
        ]
        stated = {
            end.id for relation in concept.stated for end in (relation.source, relation.target)
        }
        new.sort(key=lambda other, stated=stated: (other.id not in stated, -other.weight))
        offered.update(named.id for named in (concept, *new[:2]))
        if new:
            yield _connection(concept, new[0])
            yield from (_meaning(other.name) for other in new[1:2])
    for citation in cited:
        yield from map(_section, _headings_after(citation))


def _concepts_at(cited: Sequence[Citation], graph: Graph, user) -> list[Concept]:
    """Return the concepts that stand in the cited passages, the weightiest first."""
    chapters = {citation.chapter_id for citation in cited}
    passages = ItemPassage.objects.visible_to(user).filter(
        chapter__in=chapters, item__kind=StudyItem.Kind.CONCEPT
    )
    here = {
        item
        for item, chapter, start, end in passages.values_list("item", "chapter", "start", "end")
        if any(c.chapter_id == chapter and c.start < end and start < c.end for c in cited)
    }
    return [concept for concept in graph.concepts if concept.id in here]


def _asked_before(answer: Message) -> set[str]:
    branches = Branches(answer.conversation_id)
    path = Message.objects.filter(pk__in=branches.path(answer.pk), role=Message.Role.USER)
    return set(path.values_list("text", flat=True))


def _connections(graph: Graph) -> Iterator[str]:
    """Put the stated relations before those that were only counted."""
    relations = sorted(graph.relations, key=lambda relation: relation.is_counted)
    return (_connection(relation.source, relation.target) for relation in relations)


def _terms(course: Course, chapter: Chapter | None, user) -> Iterator[str]:
    passages = ItemPassage.objects.visible_to(user).filter(
        item__in=StudyItem.objects.filter(course=course, kind=StudyItem.Kind.TERM).shown_to(user)
    )
    if chapter:
        passages = passages.filter(chapter=chapter)
    weightiest = passages.select_related("item").order_by("-weight", "pk")
    for passage in weightiest[: 2 * MOST_STARTERS]:
        yield from shown_names(passage.item, [passage])[:1]


# --- Headings ---------------------------------------------------------------------------------


def headings(text: str, *, after: int = 0) -> list[str]:
    """Return a chapter's headings in plain words, those that begin after a place."""
    # Blanked, not cut out: what stands behind keeps its place.
    bare = _FENCE.sub(lambda found: " " * len(found[0]), text)
    found = []
    for heading in _HEADING.finditer(bare):
        words = _plain(heading[1])
        if heading.start() >= after and words and len(words) <= LONGEST_HEADING:
            found.append(words)
    return found


def _plain(heading: str) -> str:
    words = re.sub(r"[*_`]+", "", _LINK.sub(r"\1", heading)).strip()
    return "" if _NO_WORDS.search(words) else words


def _headings_after(citation: Citation) -> list[str]:
    return headings(citation.chapter.text, after=citation.end)[:2]


# --- Questions --------------------------------------------------------------------------------


def _meaning(name: str) -> str:
    return _("What does “%s” mean?") % name


def _connection(one: Concept, other: Concept) -> str:
    return _("How are “%(one)s” and “%(other)s” connected?") % {
        "one": one.name,
        "other": other.name,
    }


def _section(heading: str) -> str:
    # Some headings are questions already.
    return heading if heading.endswith(("?", "？")) else _("Can you explain “%s”?") % heading


def _in_turns(*kinds: Iterable[str]) -> Iterator[str]:
    for row in zip_longest(*kinds):
        yield from (question for question in row if question)


def _first(most: int, questions: Iterable[str]) -> list[str]:
    """Return the first ones, none twice; looks no further than it must."""
    found: dict[str, None] = {}
    for question in questions:
        found.setdefault(question)
        if len(found) == most:
            break
    return list(found)
