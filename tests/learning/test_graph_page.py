"""The page of the knowledge graph: who sees what of it, and what stands on it."""

import itertools
import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from learning.models import Chapter, ItemPassage, StudyItem

pytestmark = pytest.mark.django_db

PAGE = "/courses/plants/graph/"
Status = StudyItem.Status


@pytest.fixture
def as_alice(client, alice, course):
    client.force_login(alice)
    return client


@pytest.fixture
def leaf(course):
    return course.chapters.get(slug="photosynthesis")


@pytest.fixture
def soil(course):
    return course.chapters.get(slug="roots")


def stand(item, chapter, form="", definition="", weight=1.0):
    """Put an item on the first paragraph of a chapter that holds the form."""
    paragraph = next(p for p in chapter.text.split("\n\n") if form in p and not p.startswith("#"))
    start = chapter.text.index(paragraph)
    return ItemPassage.objects.create(
        item=item,
        chapter=chapter,
        start=start,
        end=start + len(paragraph),
        title=chapter.title,
        quote=paragraph,
        form=form,
        definition=definition,
        weight=weight,
    )


def concept(chapter, name, *aliases, form="", status=Status.APPROVED, **standing):
    item = StudyItem.objects.create(
        course=chapter.course,
        kind="concept",
        key=name,
        content={"name": name, "aliases": list(aliases), "definition": "", "x": 500, "y": 300},
        status=status,
        weight=1.0,
    )
    stand(item, chapter, form or name, **standing)
    return item


def relation(chapter, source, type_, target, status=Status.APPROVED):
    item = StudyItem.objects.create(
        course=chapter.course,
        kind="relation",
        key=f"{source.pk}-{type_}-{target.pk}",
        content={"type": type_},
        source=source,
        target=target,
        status=status,
    )
    stand(item, chapter)
    return item


def page(client, query=""):
    response = client.get(PAGE + query)
    assert response.status_code == 200
    return response


def drawn(response) -> list[str]:
    return [node.concept.name for node in response.context["drawing"].nodes]


def words(response) -> str:
    """What stands on the page, without its tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


# --- Who may see what ---------------------------------------------------------------------------


def test_visitors_log_in_first_and_who_is_not_enrolled_is_invited_to(client, course, db):
    assert client.get(PAGE).url == f"/accounts/login/?next={PAGE}"

    client.force_login(course.enrolments.get(user__username="bob").user)
    course.enrolments.all().delete()
    assert client.get(PAGE).url == "/courses/plants/"


@pytest.mark.parametrize("status", [Status.PENDING, Status.REJECTED])
def test_students_see_nothing_that_staff_have_not_approved(as_alice, leaf, status):
    sugar, water = concept(leaf, "sugar"), concept(leaf, "water")
    hidden = concept(leaf, "oxygen", status=status)
    relation(leaf, sugar, "needs", water, status=status)
    relation(leaf, sugar, "differs_from", hidden)

    response = page(as_alice)

    assert sorted(drawn(response)) == ["sugar", "water"]
    assert response.context["drawing"].edges == []
    assert "oxygen" not in response.text
    assert as_alice.get(f"{PAGE}?concept={hidden.pk}").status_code == 404


def test_staff_see_what_students_will_see(client, leaf, staff):
    concept(leaf, "sugar"), concept(leaf, "oxygen", status=Status.PENDING)
    client.force_login(staff)

    assert drawn(page(client)) == ["sugar"]


def test_a_page_without_approved_concepts_says_so(as_alice, leaf):
    concept(leaf, "oxygen", status=Status.PENDING)

    assert "No concept has been approved for this course yet" in words(page(as_alice))


@pytest.mark.parametrize("published_at", [None, timezone.now() + timedelta(days=1)])
def test_an_unpublished_chapter_gives_nothing_away(as_alice, leaf, soil, published_at, staff):
    water = concept(leaf, "water", "H2O", "minerals", weight=3.0)
    stand(water, soil, "minerals", "A root takes water and minerals from the soil.", weight=5.0)
    root = concept(soil, "root")
    relation(soil, root, "needs", water)
    Chapter.objects.filter(pk=soil.pk).update(published_at=published_at)

    response = page(as_alice, f"?concept={water.pk}")

    assert drawn(response) == ["water"]
    assert response.context["graph"].concepts[0].weight == 3.0
    for hidden in ("minerals", "soil", "Roots", "H2O", " root "):
        assert hidden not in words(response)
    assert as_alice.get(f"{PAGE}?concept={root.pk}").status_code == 404
    assert as_alice.get(f"{PAGE}?chapter=roots").status_code == 404

    as_alice.force_login(staff)
    assert "minerals" in words(page(as_alice, f"?concept={water.pk}"))


def test_a_concept_is_called_as_the_open_chapters_call_it(as_alice, leaf, soil):
    item = concept(leaf, "minerals", "sugar", form="sugar")
    stand(item, soil, "minerals")
    assert drawn(page(as_alice)) == ["minerals"]

    Chapter.objects.filter(pk=soil.pk).update(published_at=None)

    assert drawn(page(as_alice)) == ["sugar"]


def test_the_words_of_staff_stand_whatever_the_passages_say(as_alice, leaf):
    item = concept(leaf, "sugar")
    content = {**item.content, "name": "Glucose", "definition": "What plants live on."}
    StudyItem.objects.filter(pk=item.pk).update(content=content, is_edited=True)

    response = page(as_alice, f"?concept={item.pk}")

    assert drawn(response) == ["Glucose"]
    assert "What plants live on." in words(response)


def test_a_name_is_text_and_no_markup(as_alice, leaf):
    item = concept(leaf, "sugar")
    name = "<script>alert(1)</script>"
    StudyItem.objects.filter(pk=item.pk).update(
        content={**item.content, "name": name}, is_edited=True
    )

    assert "<script>alert" not in page(as_alice, f"?concept={item.pk}").text


# --- What stands on it --------------------------------------------------------------------------


def test_the_picture_has_a_link_for_every_concept_and_a_line_for_every_relation(as_alice, leaf):
    sugar, light = concept(leaf, "sugar"), concept(leaf, "light", weight=4.0)
    relation(leaf, light, "leads_to", sugar)

    response = page(as_alice)

    light_node, sugar_node = response.context["drawing"].nodes
    assert light_node.radius > sugar_node.radius
    assert f'<a href="?concept={sugar.pk}#concept"' in response.text
    [edge] = response.context["drawing"].edges
    assert (edge.has_arrow_to_first, edge.has_arrow_to_second) == (False, True)
    assert "<title>light leads to sugar</title>" in response.text
    assert "by counting" not in words(response)


def test_all_that_is_known_of_two_concepts_is_one_line(as_alice, leaf):
    sugar, light = concept(leaf, "sugar"), concept(leaf, "light")
    relation(leaf, light, "leads_to", sugar)
    relation(leaf, sugar, "needs", light)
    relation(leaf, sugar, "appears_with", light)

    [edge] = page(as_alice).context["drawing"].edges

    assert edge.has_arrow_to_first and edge.has_arrow_to_second and not edge.is_counted
    assert len(edge.sentences) == 3


def test_what_was_only_counted_is_labelled_so_and_drawn_without_an_arrow(as_alice, leaf):
    sugar, light = concept(leaf, "sugar"), concept(leaf, "light")
    relation(leaf, light, "appears_with", sugar)
    relation(leaf, sugar, "appears_with", light)

    response = page(as_alice)

    assert "found by counting, not by reading" in words(response)
    [edge] = response.context["drawing"].edges
    assert edge.is_counted and not edge.has_arrow_to_first and not edge.has_arrow_to_second
    assert edge.sentences == ["light appears together with sugar"]


def test_a_chosen_concept_shows_its_definition_passages_relations_and_the_tutor(as_alice, leaf):
    definition = "Photosynthesis is the process by which a plant turns light into sugar."
    photo = concept(leaf, "Photosynthesis", definition=definition)
    sugar, water = concept(leaf, "sugar"), concept(leaf, "water")
    relation(leaf, photo, "leads_to", sugar)
    relation(leaf, photo, "appears_with", water)

    response = page(as_alice, f"?concept={photo.pk}")

    said = words(response)
    assert definition in said
    assert "Photosynthesis leads to sugar" in said
    assert "appears together with water" in said
    passage = photo.passages.get()
    assert f'href="{passage.url}"' in response.text
    assert 'action="/courses/plants/conversations/"' in response.text
    roles = {n.concept.name: n.role for n in response.context["drawing"].nodes}
    assert roles == {"Photosynthesis": "chosen", "sugar": "near", "water": "near"}
    texts = {edge.sentences[0]: edge.text for edge in response.context["drawing"].edges}
    assert texts["Photosynthesis leads to sugar"] == "leads to"


def test_a_chapter_shows_its_own_concepts_and_relations_alone(as_alice, leaf, soil):
    water = concept(leaf, "water", weight=9.0)
    stand(water, soil, "water", weight=2.0)
    sugar, minerals = concept(leaf, "sugar"), concept(soil, "minerals")
    relation(leaf, water, "leads_to", sugar)
    relation(soil, water, "differs_from", minerals)
    relation(leaf, minerals, "needs", water)

    response = page(as_alice, "?chapter=roots")

    assert drawn(response) == ["water", "minerals"]
    assert response.context["graph"].concepts[0].weight == 2.0
    [edge] = response.context["drawing"].edges
    assert edge.sentences == ["water differs from minerals"]
    assert f'href="?chapter=roots&amp;concept={minerals.pk}#concept"' in response.text


def test_of_many_concepts_the_weightiest_are_drawn_and_the_rest_a_click_away(as_alice, leaf):
    for number in range(70):
        concept(leaf, f"c{number}", "sugar", form="sugar", weight=70.0 - number)
        StudyItem.objects.filter(key=f"c{number}").update(is_edited=True)

    response = page(as_alice)

    assert drawn(response) == [f"c{number}" for number in range(60)]
    assert "60 of 70 concepts are drawn, the weightiest" in words(response)
    assert len(drawn(page(as_alice, "?all=1"))) == 70
    assert response.text.count("<b>") == 0
    last = StudyItem.objects.get(key="c69")
    assert drawn(page(as_alice, f"?concept={last.pk}"))[-1] == "c69"
    in_words = page(as_alice, "?all=1").text.partition("all-concepts")[2]
    assert f"concept={last.pk}#concept" in in_words


@pytest.mark.parametrize("query", ["?concept=x", "?concept=999999", "?chapter=nothing"])
def test_what_is_not_there_is_not_found(as_alice, leaf, query):
    concept(leaf, "sugar")

    assert as_alice.get(PAGE + query).status_code == 404


def test_a_page_takes_few_queries_however_large_the_graph(
    as_alice, leaf, django_assert_max_num_queries
):
    items = [concept(leaf, f"c{n}", form="sugar") for n in range(30)]
    for one, other in itertools.pairwise(items):
        relation(leaf, one, "needs", other)

    with django_assert_max_num_queries(14):
        page(as_alice, f"?concept={items[0].pk}")
