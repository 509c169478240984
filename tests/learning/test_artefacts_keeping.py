"""What a maker proposes becomes items, and what staff have decided stays."""

from types import SimpleNamespace

import pytest

from learning.artefacts import review
from learning.artefacts.base import Draft, Evidence, Harvest, Kind
from learning.artefacts.keeping import keep, known_items
from learning.artefacts.passages import read_chapter
from learning.artefacts.standing import PASSAGE_GONE
from learning.graphs import shown_names
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


def concept(chapter, *names, form="", passage=0, weight=1.0, definition=""):
    place = chapter.passages[passage]
    evidence = Evidence(place, form=form or names[0], weight=weight, definition=definition)
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


def decide(name, status):
    StudyItem.objects.filter(content__name=name).update(status=status)


def test_students_see_an_approved_item_in_the_words_that_staff_have_read(leaf, job):
    kept(leaf, job, concept(leaf, "light", definition="What plants feed on."))
    decide("light", Status.APPROVED)

    kept(
        leaf,
        job,
        concept(leaf, "light", form="feed", definition="Words that nobody has read.", weight=3.0),
        concept(leaf, "light", passage=1, form="light", definition="Nor these."),
    )

    old, new = StudyItem.objects.get().passages.order_by("start")
    assert (old.definition, old.form, old.weight) == ("What plants feed on.", "light", 3.0)
    assert new.definition == ""


def test_a_sentence_of_the_course_may_define_what_is_approved(leaf, job):
    kept(leaf, job, concept(leaf, "light"))
    decide("light", Status.APPROVED)
    sentence = leaf.passages[1].text.splitlines()[-1]

    kept(leaf, job, concept(leaf, "light", passage=1, definition=sentence))

    assert StudyItem.objects.get().passages.order_by("start").last().definition == sentence


def test_a_name_that_a_job_finds_is_not_among_the_words_of_staff(leaf, root, job):
    kept(leaf, job, concept(leaf, "light"))
    StudyItem.objects.update(status=Status.APPROVED, is_edited=True)

    kept(root, job, concept(root, "light", "sunshine", form="water"))

    item = StudyItem.objects.get()
    assert (item.content["aliases"], item.content["found"]) == ([], ["sunshine"])
    seen_by_students = item.passages.filter(chapter=leaf.id)
    assert shown_names(item, seen_by_students) == ["light"]


def test_what_staff_have_edited_and_not_yet_approved_stays(leaf, job):
    kept(leaf, job, question(leaf, "Why?"))
    StudyItem.objects.update(is_edited=True)

    kept(leaf, job, question(leaf, "How?"))

    assert {item.key for item in StudyItem.objects.all()} == {"Why?", "How?"}
    assert all(item.passages.exists() for item in StudyItem.objects.all())


def test_what_was_rejected_keeps_its_passages_and_can_be_approved_after_all(leaf, job, staff):
    kept(leaf, job, concept(leaf, "light"))
    decide("light", Status.REJECTED)
    kept(leaf, job)

    item = StudyItem.objects.get()
    review.decide(item.pk, Status.APPROVED, seen=review.version(item), by=staff)

    assert StudyItem.objects.get().status == Status.APPROVED


def test_what_staff_have_decided_on_is_never_merged_into_another(leaf, job):
    kept(leaf, job, concept(leaf, "light"), concept(leaf, "sun", form="light", weight=9.0))
    decide("light", Status.APPROVED)
    decide("sun", Status.REJECTED)

    kept(leaf, job, concept(leaf, "light", "sun"))

    assert named() == ["light", "sun"]
    assert StudyItem.objects.get(content__name="light").content["aliases"] == []


def test_two_approved_items_stay_two_whatever_a_model_calls_them(leaf, job):
    kept(leaf, job, concept(leaf, "light"), concept(leaf, "plants"))
    StudyItem.objects.update(status=Status.APPROVED)

    kept(leaf, job, concept(leaf, "light", "plants"))

    assert named() == ["light", "plants"]


def test_a_rejected_name_is_no_obstacle_to_a_thing_that_is_also_called_so(leaf, job):
    kept(leaf, job, concept(leaf, "light"))
    decide("light", Status.REJECTED)

    kept(leaf, job, concept(leaf, "sugar", "light", passage=1))

    assert StudyItem.objects.get(content__name="sugar").status == Status.PENDING


def test_an_approved_relation_outlives_its_twin_that_nobody_has_read(leaf, job):
    kept(
        leaf,
        job,
        concept(leaf, "light"),
        concept(leaf, "sun", form="light", weight=0.5),
        concept(leaf, "plants"),
        relation(leaf, "light", "plants"),
        relation(leaf, "sun", "plants"),
    )
    approved = StudyItem.objects.get(kind="relation", source__content__name="sun")
    StudyItem.objects.filter(pk=approved.pk).update(status=Status.APPROVED)
    decide("light", Status.APPROVED)

    kept(leaf, job, concept(leaf, "light", "sun"))

    relation_left = StudyItem.objects.get(kind="relation")
    assert (relation_left.pk, str(relation_left.source)) == (approved.pk, "light")
    plants = StudyItem.objects.get(content__name="plants")
    assert (plants.status, plants.note) == (Status.PENDING, PASSAGE_GONE)


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
