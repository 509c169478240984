"""The knowledge graph's maker: what it finds by counting, and what it takes of a model's word."""

import json

import pytest
from asgiref.sync import sync_to_async

from learning.artefacts.asking import Asker
from learning.artefacts.base import Kind
from learning.artefacts.generating import generate
from learning.artefacts.knowledge_graph import KnowledgeGraph, appearing_together
from learning.artefacts.layout import HEIGHT, WIDTH
from learning.artefacts.passages import holds, read_course
from learning.artefacts.terms import Term
from learning.models import Chapter, Course, StudyArtefact, StudyItem
from tracing import trace

pytestmark = pytest.mark.django_db(transaction=True)

LIGHT = (
    "## Light\n\n**Photosynthesis** is the process by which a plant makes sugar from light. "
    "Photosynthesis happens in the chloroplasts.\n\n"
    "## Pigments\n\n**Chlorophyll** is a pigment that takes up light. Chlorophyll stands in the "
    "chloroplasts and makes photosynthesis possible.\n\n"
    "## Sugar\n\n**Glucose** is a sugar. A plant burns glucose in its mitochondria."
)
ROOTS = (
    "## Roots\n\nA **root hair** takes up water. Root hairs grow on young roots.\n\n"
    "## Far from the light\n\nNo photosynthesis happens in a root: it lives on glucose."
)
DESCENT = (
    "## 梯度下降\n\n**梯度下降**（gradient descent）是一种更新参数的方法。学习率决定步长。\n\n"
    "## 随机版本\n\n**随机梯度下降**（stochastic gradient descent，SGD）是只用一个样本的办法。"
    "随机梯度下降的学习率要小一些。"
)
NETWORKS = "## 训练\n\n训练网络常用 SGD。SGD 每一步只看一个样本，学习率逐渐减小。"


def course_of(*texts, language="en") -> Course:
    course = Course.objects.create(slug="made", title="Made", language=language, is_open=True)
    for number, text in enumerate(texts, start=1):
        Chapter.objects.create(
            course=course, slug=f"c{number}", title=f"C{number}", position=number, text=text
        )
    return course


def generated(course) -> StudyArtefact:
    job = StudyArtefact.objects.create(course=course, kind="knowledge_graph")
    generate(job.pk)
    job.refresh_from_db()
    assert job.status == "ready", job.message
    return job


def concepts() -> dict[str, StudyItem]:
    """By their names in small letters."""
    found = StudyItem.objects.filter(kind=Kind.CONCEPT)
    return {item.content["name"].casefold(): item for item in found}


def relations() -> set[tuple[str, str, str]]:
    found = StudyItem.objects.filter(kind=Kind.RELATION).select_related("source", "target")
    return {(r.source.content["name"], r.content["type"], r.target.content["name"]) for r in found}


def concept(name, passage, *aliases, definition="It is so."):
    return {"name": name, "aliases": list(aliases), "definition": definition, "passage": passage}


def relation(source, type_, target, passage):
    return {"source": source, "type": type_, "target": target, "passage": passage}


def answers(chat_model, *items):
    chat_model.answers(json.dumps({"items": items}, ensure_ascii=False))


async def read(chapter, course):
    """What a model's reading of one chapter gives."""
    maker = KnowledgeGraph()
    maker.prepare(course)
    async with trace("a job"):
        return await maker.make(chapter, Asker(), [])


def read_light():
    course = read_course(course_of(LIGHT))
    return course.chapters[0], course


# --- By counting --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts, language", [((LIGHT, ROOTS), "en"), ((DESCENT, NETWORKS), "zh-hans")]
)
def test_without_a_model_every_concept_stands_on_passages_that_hold_it(texts, language):
    generated(course_of(*texts, language=language))

    assert len(concepts()) >= 2
    for item in StudyItem.objects.filter(kind=Kind.CONCEPT):
        for passage in item.passages.select_related("chapter"):
            assert passage.chapter.text[passage.start : passage.end] == passage.quote
            assert holds(passage.quote, passage.form)


def test_a_concept_comes_with_the_sentence_that_defines_it():
    generated(course_of(LIGHT))

    [passage] = concepts()["glucose"].passages.all()
    assert passage.definition == "**Glucose** is a sugar."


def test_without_a_model_no_more_is_said_than_that_two_concepts_appear_together():
    generated(course_of(LIGHT, ROOTS))

    found = StudyItem.objects.filter(kind=Kind.RELATION)
    assert found and {item.content["type"] for item in found} == {"appears_with"}
    for item in found.select_related("source", "target"):
        for passage in item.passages.all():
            ends = (item.source, item.target)
            assert all(end.passages.filter(start=passage.start).exists() for end in ends)


def terms(*names):
    return [Term(name, (), 1.0) for name in names]


def test_terms_that_are_everywhere_are_joined_with_none():
    rule, root, function = terms("rule", "root", "function")

    pairs = appearing_together({rule: {1, 2}, root: {1, 2}, function: {1, 2, 3, 4}}, 4)

    assert pairs == [(rule, root)]


def test_one_passage_in_common_is_enough_only_where_few_terms_stand():
    crowd = terms("a", "b", "c", "d", "e")
    pair = terms("x", "y")

    pairs = appearing_together({**{t: {1} for t in crowd}, **{t: {2} for t in pair}}, 8)

    assert pairs == [tuple(pair)]


def test_of_many_equal_relations_each_concept_gives_two():
    alike = terms(*"abcdefgh")

    pairs = appearing_together({term: {1, 2} for term in alike}, 8)

    assert len(pairs) <= 2 * len(alike)
    assert {term for pair in pairs for term in pair} == set(alike)


def test_names_in_two_languages_and_an_abbreviation_are_one_concept():
    generated(course_of(DESCENT, NETWORKS, language="zh-hans"))

    descent = concepts()["随机梯度下降"]
    assert set(descent.content["aliases"]) == {"stochastic gradient descent", "SGD"}
    assert {p.chapter.slug: p.form for p in descent.passages.all()} == {
        "c1": "随机梯度下降",
        "c2": "SGD",
    }
    assert "sgd" not in concepts()


def test_what_staff_have_rejected_is_not_proposed_again():
    course = course_of(LIGHT)
    generated(course)
    StudyItem.objects.filter(pk=concepts()["glucose"].pk).update(status="rejected")

    generated(course)

    assert concepts()["glucose"].status == "rejected"
    assert not any({"glucose", "Glucose"} & set(ends) for ends in relations())


# --- As a model reads it ------------------------------------------------------------------------


async def test_a_model_s_concepts_stand_on_every_passage_that_names_them(chat_model):
    chapter, course = await sync_to_async(read_light)()
    answers(chat_model, concept("photosynthesis", 1, definition="How plants make sugar."))

    harvest = await read(chapter, course)

    [draft] = harvest.drafts
    assert [(e.passage, e.definition) for e in draft.evidence] == [
        (chapter.passages[0], "How plants make sugar."),
        (chapter.passages[1], ""),
    ]
    assert [e.form.casefold() for e in draft.evidence] == ["photosynthesis"] * 2
    assert not harvest.dropped


async def test_a_model_s_relations_lead_between_its_concepts(chat_model):
    chapter, course = await sync_to_async(read_light)()
    answers(chat_model, concept("chlorophyll", 2), concept("pigment", 2))
    answers(chat_model, relation("chlorophyll", "is_a", "pigment", 2))

    harvest = await read(chapter, course)

    draft = harvest.drafts[-1]
    assert (draft.ends, draft.content) == (("chlorophyll", "pigment"), {"type": "is_a"})
    assert [e.passage for e in draft.evidence] == [chapter.passages[1]]
    asked = chat_model.last.body["messages"][-1]["content"]
    assert asked.startswith("Concepts: chlorophyll; pigment\n\n[1] ")


async def test_other_names_are_taken_only_if_the_course_uses_them(chat_model):
    chapter, course = await sync_to_async(read_light)()
    answers(chat_model, concept("glucose", 3, "a", "grape sugar", "Sugar"))

    harvest = await read(chapter, course)

    assert harvest.drafts[0].names == ("glucose", "Sugar")


BAD_CONCEPTS = {
    "it names a passage that is not there": concept("glucose", 9),
    "its passage does not hold its name": concept("chlorophyll", 3),
    "not a usable name or definition": concept("", 1),
    "not in the asked form": {"name": "glucose", "passage": 3},
}


@pytest.mark.parametrize("name, alias", [("the", "glucose"), ("flux capacitor", "glucose")])
async def test_a_concept_whose_own_name_does_not_stand_there_is_dropped(chat_model, name, alias):
    chapter, course = await sync_to_async(read_light)()
    answers(chat_model, concept(name, 3, alias))

    harvest = await read(chapter, course)

    assert (harvest.drafts, harvest.dropped.total()) == ([], 1)


@pytest.mark.parametrize("reason", BAD_CONCEPTS)
async def test_a_concept_that_does_not_hold_is_dropped_and_counted(chat_model, reason):
    chapter, course = await sync_to_async(read_light)()
    answers(chat_model, BAD_CONCEPTS[reason], concept("glucose", 3))

    harvest = await read(chapter, course)

    assert [draft.names[0] for draft in harvest.drafts] == ["glucose"]
    assert harvest.dropped == {reason: 1}


BAD_RELATIONS = {
    "it names a passage that is not there": relation("chlorophyll", "needs", "pigment", 0),
    "a relation without two concepts": relation("chlorophyll", "needs", "soil", 2),
    "its passage does not name both concepts": relation("glucose", "needs", "pigment", 2),
    "not in the asked form": relation("chlorophyll", "loves", "pigment", 2),
    "it contradicts another relation": relation("pigment", "is_a", "chlorophyll", 2),
}


@pytest.mark.parametrize("reason", BAD_RELATIONS)
async def test_a_relation_that_does_not_hold_is_dropped_and_counted(chat_model, reason):
    chapter, course = await sync_to_async(read_light)()
    answers(
        chat_model,
        *(concept(n, p) for n, p in (("chlorophyll", 2), ("pigment", 2), ("glucose", 3))),
    )
    answers(chat_model, relation("chlorophyll", "is_a", "pigment", 2), BAD_RELATIONS[reason])

    harvest = await read(chapter, course)

    drafts = [draft for draft in harvest.drafts if draft.kind == Kind.RELATION]
    assert [draft.content["type"] for draft in drafts] == ["is_a"]
    assert harvest.dropped == {reason: 1}


async def test_a_concept_related_to_itself_by_an_alias_is_dropped(chat_model):
    chapter, course = await sync_to_async(read_light)()
    answers(chat_model, concept("glucose", 3, "sugar"), concept("plant", 3))
    answers(chat_model, relation("sugar", "is_a", "glucose", 3))

    harvest = await read(chapter, course)

    assert harvest.dropped == {"a relation without two concepts": 1}


async def test_what_differs_is_one_relation_whichever_way_it_is_put(chat_model):
    chapter, course = await sync_to_async(read_light)()
    answers(chat_model, concept("chlorophyll", 2), concept("pigment", 2))
    answers(
        chat_model,
        relation("chlorophyll", "differs_from", "pigment", 2),
        relation("pigment", "differs_from", "chlorophyll", 2),
    )

    harvest = await read(chapter, course)

    assert len({draft.ends for draft in harvest.drafts if draft.ends}) == 1


async def test_without_two_concepts_no_relation_is_asked_for(chat_model):
    chapter, course = await sync_to_async(read_light)()
    answers(chat_model, concept("glucose", 3))

    await read(chapter, course)

    assert len(chat_model.requests) == 1


async def test_a_long_chapter_is_asked_about_in_parts_numbered_from_one(chat_model, settings):
    settings.TUTOR = {**settings.TUTOR, "CONTEXT_TOKENS": 3_200}
    many = "\n\n".join(f"## Leaf {n}\n\n{'Glucose feeds the leaf. ' * 30}" for n in range(6))
    course = await sync_to_async(lambda: read_course(course_of(many)))()
    asker = Asker()
    for _batch in range(20):
        answers(chat_model, concept("Glucose", 1))

    harvest = await read(course.chapters[0], course)

    assert len(chat_model.requests) > 1
    asked = [request.body["messages"][-1]["content"] for request in chat_model.requests]
    assert all("\n\n[1] C1 › Leaf" in text for text in asked)
    [draft] = harvest.drafts
    assert len(draft.evidence) == len(course.chapters[0].passages)
    assert asker.room_tokens < 3_000


def test_with_a_model_chapters_join_up_under_one_name(chat_model):
    answers(chat_model, concept("随机梯度下降", 2), concept("学习率", 1))
    answers(chat_model, relation("随机梯度下降", "needs", "学习率", 2))
    answers(chat_model, concept("SGD", 1, definition="一次一个样本。"))
    answers(chat_model, relation("SGD", "needs", "学习率", 1))

    job = generated(course_of(DESCENT, NETWORKS, language="zh-hans"))

    assert job.counts["dropped"] == {}
    assert set(concepts()) == {"随机梯度下降", "学习率"}
    descent = concepts()["随机梯度下降"]
    assert {p.chapter.slug: p.form for p in descent.passages.all()} == {
        "c1": "随机梯度下降",
        "c2": "SGD",
    }
    assert relations() == {("随机梯度下降", "needs", "学习率")}
    assert StudyItem.objects.get(kind=Kind.RELATION).passages.count() == 2
    known = chat_model.requests[2].body["messages"]
    assert "Simplified Chinese" in known[0]["content"]
    assert "Known already: 随机梯度下降; 学习率" in known[1]["content"]


# --- The layout ---------------------------------------------------------------------------------


def test_all_but_rejected_concepts_are_laid_out_and_nothing_else_of_them_changes():
    course = course_of(LIGHT, ROOTS)
    generated(course)
    first = {item.pk: item.content for item in StudyItem.objects.all()}
    StudyItem.objects.filter(pk=concepts()["glucose"].pk).update(
        status="rejected", content={"name": "G"}
    )

    KnowledgeGraph().settle(course.pk)

    for item in StudyItem.objects.filter(kind=Kind.CONCEPT).exclude(status="rejected"):
        assert 0 <= item.content["x"] <= WIDTH and 0 <= item.content["y"] <= HEIGHT
        assert {**item.content, "x": 0, "y": 0} == {**first[item.pk], "x": 0, "y": 0}
    assert StudyItem.objects.get(status="rejected").content == {"name": "G"}
