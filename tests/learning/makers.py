"""Small makers: what a job does, without what a word cloud or a quiz is.

`settings.STUDY = {"MAKERS": {"wordcloud": "tests.learning.makers.FirstWords"}}`
"""

from learning.artefacts.asking import Item
from learning.artefacts.base import Draft, Evidence, Harvest, Maker
from learning.models import StudyArtefact, StudyItem

FIRST_WORDS = {"MAKERS": dict.fromkeys(StudyArtefact.Kind, "tests.learning.makers.FirstWords")}


class Word(Item):
    name: str


class FirstWords(Maker):
    """One term a chapter: the first word of its text, or what the model calls it.

    `meanwhile` is called, once, with each chapter it begins with; tests put there what happens.
    """

    kind = StudyArtefact.Kind.WORDCLOUD
    item_kinds = (StudyItem.Kind.TERM,)
    meanwhile = staticmethod(lambda chapter: None)

    async def make(self, chapter, asker, known):
        type(self).meanwhile(chapter)
        name = chapter.passages[0].text.lstrip("# ").split()[0]
        harvest = Harvest()
        if asker:
            answered = await asker.ask(Word, "Name it.", chapter.passages[0].text, most=1)
            harvest.dropped.update(answered.dropped)
            name = answered.items[0].name if answered.items else None
        if name:
            harvest.drafts.append(
                Draft(
                    StudyItem.Kind.TERM,
                    {"name": name, "aliases": []},
                    [Evidence(chapter.passages[0], name)],
                    names=(name,),
                )
            )
        return harvest
