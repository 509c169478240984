"""The quiz: questions of four types, each with an explanation and the passage it stands on.

With a chat model they are what it asks about the passages (`quiz_reading`), without one sentences
with a blank (`cloze`). No two of a course are alike, and what staff have rejected is not asked.
"""

from collections.abc import Sequence

from learning.artefacts.alike import Asked, key_of, spread
from learning.artefacts.asking import Asker
from learning.artefacts.base import Draft, Evidence, Harvest, Kind, Maker
from learning.artefacts.cloze import Clozes
from learning.artefacts.passages import ChapterText, CourseText
from learning.artefacts.quiz_reading import Reading
from learning.models import StudyArtefact, StudyItem

QUESTIONS_PER_CHAPTER = 8


class Quiz(Maker):
    kind = StudyArtefact.Kind.QUIZ
    item_kinds = (Kind.QUESTION,)

    def prepare(self, course: CourseText) -> None:
        self._course = course
        self._clozes: Clozes | None = None

    async def make(
        self, chapter: ChapterText, asker: Asker | None, known: Sequence[StudyItem]
    ) -> Harvest:
        approved = [
            item
            for item in known
            if item.status == StudyItem.Status.APPROVED
            and any(passage.chapter_id == chapter.id for passage in item.passages.all())
        ]
        wanted = QUESTIONS_PER_CHAPTER - len(approved)
        asked = Asked(item.content for item in known)
        if wanted <= 0:
            return Harvest()
        if asker is None:
            return self._with_blanks(chapter, asked, wanted)
        return await Reading(chapter, asker, asked, [str(item) for item in approved]).harvest(
            wanted
        )

    def _with_blanks(self, chapter: ChapterText, asked: Asked, wanted: int) -> Harvest:
        self._clozes = self._clozes or Clozes(self._course)
        harvest = Harvest()
        for content, evidence in self._clozes.of_chapter(chapter):
            if len(harvest.drafts) == wanted:
                break
            if not asked.holds(content):
                asked.add(content)
                harvest.drafts.append(question_draft(content, evidence))
        return harvest


def question_draft(content: dict, evidence: Evidence) -> Draft:
    """Propose a question; its options are put into an order that does not tell the right one."""
    key = key_of(content)
    return Draft(Kind.QUESTION, spread(content, key), [evidence], key=key)
