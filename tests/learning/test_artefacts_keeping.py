"""What a maker proposes becomes items, and what staff have decided stays."""

from types import SimpleNamespace

import pytest

from learning.artefacts.base import Draft, Evidence, Harvest, Kind
from learning.artefacts.keeping import keep, known_items
from learning.artefacts.passages import read_chapter
from learning.models import StudyArtefact, StudyItem

pytestmark = pytest.mark.django_db

Status = StudyItem.Status
MAKER = SimpleNamespace(item_kinds=(Kind.CONCEPT, Kind.RELATION, Kind.QUESTION))


@pytest.fixture
def job(course):
    return StudyArtefact.objects.create(course=course, kind="knowledge_graph")


@pytest.fixture
def leaf(course):
    return read_chapter(course.chapters.get(slug="photosynthesis"), "en")


@pytest.fixture
def root(course):
    return read_chapter(course.chapters.get(slug="roots"), "en")


def concept(chapter, *names, form="", passage=0, weight=1.0):
    evidence = Evidence(chapter.passages[passage], form=form or names[0], weight=weight)
    return Draft(Kind.CONCEPT, {"name": names[0], "aliases": []}, [evidence], names=names)


def question(chapter, text):
    return Draft(Kind.QUESTION, {"text": text}, [Evidence(chapter.passages[0])], key=text)


def relation(chapter, source, target):
    evidence = [Evidence(chapter.passages[0])]
    return Draft(Kind.RELATION, {"type": "part_of"}, evidence, ends=(source, target))


def kept(chapter, job, *drafts):
    harvest = Harvest(list(drafts))
    counts = keep(harvest, MAKER, chapter, job)
    return counts, harvest.dropped


def named():
    return sorted(item.content["name"] for item in StudyItem.objects.filter(kind="concept"))


def test_a_draft_becomes_an_item_that_waits_on_its_passage(leaf, job):
    counts, _ = kept(leaf, job, concept(leaf, "light", weight=2.0))

    item = StudyItem.objects.get()
    assert (item.status, item.weight, item.artefact) == ("pending", 2.0, job)
    passage = item.passages.get()
    assert passage.quote == passage.chapter.text[passage.start : passage.end]
    assert passage.form in passage.quote
    assert counts == {"concept": 1}


def test_a_draft_without_a_passage_is_none(leaf, job):
    counts, dropped = kept(leaf, job, Draft(Kind.CONCEPT, {"name": "air"}, [], names=("air",)))

    assert (counts, dropped) == ({}, {"no passage bears it out": 1})
    assert not StudyItem.objects.exists()


def test_what_waits_gives_way_to_what_is_found_now(leaf, job):
    kept(leaf, job, concept(leaf, "light"), concept(leaf, "plants"))

    kept(leaf, job, concept(leaf, "Plants", passage=0), concept(leaf, "sugar", passage=1))

    assert named() == ["plants", "sugar"]


def test_what_was_found_in_another_chapter_stays(leaf, root, job):
    kept(leaf, job, concept(leaf, "water", passage=1))
    kept(root, job, concept(root, "water"), concept(root, "soil"))

    kept(leaf, job)

    assert named() == ["soil", "water"]
    assert StudyItem.objects.get(content__name="water").passages.get().chapter_id == root.id


def test_an_approved_item_stays_with_its_passage_when_it_is_not_found_again(leaf, job):
    kept(leaf, job, concept(leaf, "light"))
    StudyItem.objects.update(status=Status.APPROVED)

    kept(leaf, job)

    item = StudyItem.objects.get()
    assert (item.status, item.passages.count()) == ("approved", 1)


def test_a_rejected_item_is_not_proposed_again(leaf, job):
    kept(leaf, job, question(leaf, "Why?"))
    StudyItem.objects.update(status=Status.REJECTED)

    counts, _ = kept(leaf, job, question(leaf, "Why?"))

    assert StudyItem.objects.get().status == "rejected"
    assert counts == {}


def test_what_staff_have_edited_keeps_their_words(leaf, job):
    kept(leaf, job, question(leaf, "Why?"))
    StudyItem.objects.update(content={"text": "Why do plants feed on light?"}, is_edited=True)

    kept(leaf, job, question(leaf, "Why?"))

    assert StudyItem.objects.get().content == {"text": "Why do plants feed on light?"}


def test_a_thing_of_two_names_in_two_chapters_is_one_item(leaf, root, job):
    kept(leaf, job, concept(leaf, "water", "H2O", form="water", passage=1))
    kept(root, job, concept(root, "H2O", form="water"))

    item = StudyItem.objects.get()
    assert (item.content["name"], item.content["aliases"]) == ("water", ["H2O"])
    assert item.passages.count() == 2


def test_case_width_and_plural_make_no_second_item(leaf, job):
    kept(
        leaf,
        job,
        concept(leaf, "chloroplast", passage=2),
        concept(leaf, "Chloroplasts", passage=2),
        concept(leaf, "ｃｈｌｏｒｏｐｌａｓｔ", form="chloroplasts", passage=2),
    )

    assert named() == ["chloroplast"]


def test_two_items_that_turn_out_to_be_one_thing_become_one(leaf, root, job):
    kept(
        leaf,
        job,
        concept(leaf, "sugar", passage=1, weight=2.0),
        concept(leaf, "light"),
        relation(leaf, "sugar", "light"),
    )
    kept(root, job, concept(root, "glucose", form="water"))

    kept(root, job, concept(root, "glucose", "sugar", form="water"))

    assert named() == ["light", "sugar"]
    merged = StudyItem.objects.get(content__name="sugar")
    assert merged.content["aliases"] == ["glucose"]
    assert merged.passages.count() == 2
    assert StudyItem.objects.get(kind="relation").source == merged


def test_a_relation_needs_both_its_concepts(leaf, job):
    counts, dropped = kept(
        leaf, job, concept(leaf, "light"), relation(leaf, "light", "time"), relation(leaf, "x", "x")
    )

    assert counts == {"concept": 1}
    assert dropped == {"a relation without two concepts": 2}


def test_a_relation_goes_with_its_concept(leaf, job):
    kept(
        leaf,
        job,
        concept(leaf, "light"),
        concept(leaf, "plants"),
        relation(leaf, "light", "plants"),
    )

    kept(leaf, job, concept(leaf, "light"))

    assert named() == ["light"]
    assert not StudyItem.objects.filter(kind="relation").exists()


def test_a_maker_is_told_what_is_decided_and_what_waits_elsewhere(course, leaf, root, job):
    kept(leaf, job, question(leaf, "decided"), question(leaf, "waits here"))
    kept(root, job, question(root, "waits elsewhere"))
    StudyItem.objects.filter(key="decided").update(status=Status.REJECTED)

    known = known_items(MAKER, course.pk, leaf.id)

    assert {item.key for item in known} == {"decided", "waits elsewhere"}
