"""The word cloud: what is made for it, and the page that shows it."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from learning.artefacts import generating, requesting
from learning.artefacts.passages import holds
from learning.models import Chapter, ItemPassage, StudyArtefact, StudyItem
from learning.views.item_panel import marked

Status = StudyItem.Status
PAGE = "/courses/plants/words/"

pytestmark = pytest.mark.django_db


def make(course) -> StudyArtefact:
    job = requesting.request(course, StudyArtefact.Kind.WORDCLOUD)
    generating.generate(job.pk)
    job.refresh_from_db()
    return job


def made(course) -> dict[str, StudyItem]:
    return {item.content["name"]: item for item in StudyItem.objects.filter(course=course)}


def key_terms(*terms: tuple) -> str:
    keys = ("name", "importance", "passages")
    return json.dumps({"items": [dict(zip(keys, term, strict=True)) for term in terms]})


@pytest.fixture
def leaves(course):
    """The course with a chapter that has bold terms, and only it."""
    course.chapters.exclude(slug="photosynthesis").delete()
    course.chapters.update(
        text=(
            "A leaf holds many **chloroplasts**. A chloroplast is green.\n\n## Light\n\n"
            "**Photosynthesis** is the process by which a chloroplast makes sugar.\n\n"
            "## Gas\n\nA **stoma** lets gas in. Each stoma closes at night."
        )
    )
    return course


@pytest.fixture
def term(course):
    """A term on a passage of the first chapter, as it was approved."""

    def _term(name, slug="photosynthesis", status=Status.APPROVED, weight=1.0, **content):
        chapter = course.chapters.get(slug=slug)
        item, _ = StudyItem.objects.get_or_create(
            course=course,
            kind=StudyItem.Kind.TERM,
            key=name,
            defaults={"content": {"name": name, "aliases": [], **content}, "status": status},
        )
        ItemPassage.objects.create(
            item=item,
            chapter=chapter,
            start=0,
            end=len(chapter.text),
            title=chapter.title,
            quote=chapter.text,
            form=name,
            weight=weight,
        )
        return item

    return _term


@pytest.fixture
def as_alice(client, alice, course):
    client.force_login(alice)
    return client


@pytest.fixture
def hidden_roots(course):
    """The chapter about roots is not published yet."""
    course.chapters.filter(slug="roots").update(published_at=timezone.now() + timedelta(days=1))


def cloud(response) -> dict[str, int]:
    return {word.name: word.size for word in response.context["words"]}


# --- What is made -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_without_a_model_terms_are_counted(leaves):
    job = make(leaves)

    assert (job.status, job.message) == ("ready", "")
    items = made(leaves)
    assert {"chloroplast", "stoma", "photosynthesis"} <= {name.casefold() for name in items}
    for item in items.values():
        assert item.status == Status.PENDING
        assert item.weight == pytest.approx(sum(p.weight for p in item.passages.all()))
        for passage in item.passages.select_related("chapter"):
            assert passage.quote == passage.chapter.text[passage.start : passage.end]
            assert holds(passage.quote, passage.form)


@pytest.mark.django_db(transaction=True)
def test_a_rejected_term_leaves_its_place_to_the_next(leaves):
    make(leaves)
    rejected = made(leaves)["stoma"]
    StudyItem.objects.filter(pk=rejected.pk).update(status=Status.REJECTED)

    make(leaves)

    assert made(leaves)["stoma"].status == Status.REJECTED


@pytest.mark.django_db(transaction=True)
def test_chinese_terms_come_with_their_other_names(leaves):
    leaves.language = "zh-hans"
    leaves.save()
    leaves.chapters.update(
        text="**随机梯度下降**（stochastic gradient descent，SGD）是一种方法。随机梯度下降很快。"
    )

    make(leaves)

    [item] = made(leaves).values()
    assert item.content["name"] == "随机梯度下降"
    assert {*item.content["aliases"]} == {"SGD", "stochastic gradient descent"}


@pytest.mark.django_db(transaction=True)
def test_a_models_terms_stand_on_every_passage_that_holds_them(leaves, chat_model, traces):
    chat_model.answers(key_terms(("chloroplast", 5, [1]), ("sugar", 1, [2])))

    job = make(leaves)

    items = made(leaves)
    assert {*items} == {"chloroplast", "sugar"}
    assert job.model == chat_model.last.body["model"]
    assert items["chloroplast"].passages.count() == 2
    assert items["chloroplast"].weight > items["sugar"].weight
    assert [call.name for call in traces.last.observations] == ["chapter", "llm_call"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (("mitosis", 3, [1]), "the term does not stand in its passage"),
        (("stoma", 3, [1]), "the term does not stand in its passage"),
        (("stoma", 3, [3, 99]), "the term does not stand in its passage"),
        (("stoma", 3, [0]), "the term does not stand in its passage"),
        (("stoma", 3, []), "the term does not stand in its passage"),
        (("stoma", 6, [3]), "its importance is not from 1 to 5"),
        (("", 3, [1]), "no term, or too long for one"),
        (("the", 3, [1]), "no term, or too long for one"),
        (("stoma " * 40, 3, [3]), "no term, or too long for one"),
        (("sugar", 3, [2]), "named twice"),
    ],
)
def test_what_a_model_makes_up_is_dropped_and_counted(leaves, chat_model, wrong, why):
    chat_model.answers(key_terms(("sugar", 2, [2]), wrong))

    job = make(leaves)

    assert {*made(leaves)} == {"sugar"}
    assert job.counts["dropped"] == {why: 1}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("answer", ["Here are some nice terms.", '{"items": [', "[]", "{}"])
def test_an_answer_that_is_no_list_of_terms_fails_the_job_in_words(leaves, chat_model, answer):
    chat_model.answers(answer)
    chat_model.answers(answer)

    job = make(leaves)

    assert (job.status, job.message) == ("failed", generating.NOTHING_USABLE)
    assert not made(leaves)


@pytest.mark.django_db(transaction=True)
def test_an_empty_list_makes_an_empty_cloud(leaves, chat_model):
    chat_model.answers(key_terms())

    assert make(leaves).status == "ready"
    assert not made(leaves)


@pytest.mark.django_db(transaction=True)
def test_two_hundred_terms_are_cut_to_what_was_asked_for(leaves, chat_model):
    chat_model.answers(key_terms(*[("sugar", 1, [2])] * 200))

    job = make(leaves)

    assert {*made(leaves)} == {"sugar"}
    assert job.counts["dropped"] == {"more than asked for": 188, "named twice": 11}


# --- The page ---------------------------------------------------------------------------------


def test_approved_words_stand_in_the_cloud_the_weightiest_biggest(as_alice, term):
    term("light", weight=9.0)
    term("sugar", weight=2.0)
    term("oxygen", weight=1.0)

    sizes = cloud(as_alice.get(PAGE))

    assert sizes["light"] == 8
    assert sizes["light"] > sizes["sugar"] > sizes["oxygen"] >= 1
    assert [*sizes] == ["light", "sugar", "oxygen"]


@pytest.mark.parametrize("reader", ["alice", "staff"])
def test_what_waits_or_was_rejected_is_shown_to_nobody(client, term, reader, request):
    client.force_login(request.getfixturevalue(reader))
    term("light")
    term("sugar", status=Status.PENDING)
    term("oxygen", status=Status.REJECTED)

    assert {*cloud(client.get(PAGE))} == {"light"}


def test_an_item_that_waits_cannot_be_opened_by_its_number(as_alice, term):
    waiting = term("sugar", status=Status.PENDING)

    assert as_alice.get(PAGE, {"word": waiting.pk}).status_code == 404
    assert as_alice.get(PAGE, {"word": "x"}).status_code == 404


def test_an_unpublished_chapter_lends_no_word_no_weight_and_no_passage(
    as_alice, term, hidden_roots
):
    both = term("water", weight=1.0)
    term("water", slug="roots", weight=50.0)
    only = term("minerals", slug="roots", weight=50.0)
    term("light", weight=2.0)

    page = as_alice.get(PAGE)

    sizes = cloud(page)
    assert {*sizes} == {"water", "light"} and sizes["light"] > sizes["water"]
    assert "roots" not in page.content.decode().casefold()
    panel = as_alice.get(PAGE, {"word": both.pk})
    assert [p.title for p in panel.context["panel"].passages] == ["Photosynthesis"]
    assert as_alice.get(PAGE, {"word": only.pk}).status_code == 404
    assert as_alice.get(PAGE, {"chapter": "roots"}).status_code == 404


def test_a_name_that_only_an_unpublished_chapter_uses_stays_unknown(as_alice, term, hidden_roots):
    item = term("water", aliases=["soil solution"])
    item.content["name"] = "soil solution"
    item.save()

    assert {*cloud(as_alice.get(PAGE))} == {"water"}
    assert "soil solution" not in as_alice.get(PAGE, {"word": item.pk}).content.decode()


def test_a_chapter_shows_its_own_words_by_their_weight_there(as_alice, term):
    term("water", weight=1.0)
    term("water", slug="roots", weight=9.0)
    term("light", weight=5.0)
    term("soil", slug="roots", weight=2.0)

    assert {*cloud(as_alice.get(PAGE, {"chapter": "roots"}))} == {"water", "soil"}
    sizes = cloud(as_alice.get(PAGE, {"chapter": "photosynthesis"}))
    assert sizes["light"] > sizes["water"]


def test_a_word_opens_its_passages_with_the_word_marked_and_linked(as_alice, term):
    item = term("light")

    page = as_alice.get(PAGE, {"word": item.pk})

    html = page.content.decode()
    assert "Plants feed on <mark>light</mark>" in html
    assert f'href="{item.passages.get().url}"' in html


def test_of_many_passages_those_that_tell_most_are_shown_and_the_rest_is_folded_by_chapter(
    as_alice, term
):
    item = term("light", weight=0.5)
    for number, (chapter, weight, definition) in enumerate(
        [("photosynthesis", 9.0, ""), ("roots", 0.1, "Light is a wave."), ("roots", 0.2, "")] * 2
    ):
        passage = item.passages.first()
        passage.pk, passage._state.adding = None, True
        passage.chapter = item.course.chapters.get(slug=chapter)
        passage.start, passage.weight, passage.definition = number + 1, weight, definition
        passage.title = f"{chapter} {number}"
        passage.save()

    response = as_alice.get(PAGE, {"word": item.pk})

    panel = response.context["panel"]
    shown = [passage.title for passage in panel.passages]
    assert shown == ["photosynthesis 0", "roots 1", "roots 4"]
    folded = [(chapter.slug, [each.title for each in rest]) for chapter, rest in panel.more]
    assert folded == [
        ("photosynthesis", ["Photosynthesis", "photosynthesis 3"]),
        ("roots", ["roots 2", "roots 5"]),
    ]
    assert response.text.count("<details") == 2 and response.text.count("2 more passages") == 2


def test_the_tutor_is_not_asked_but_proposed_the_word(as_alice, term, alice):
    item = term("light")
    form = as_alice.get(PAGE, {"word": item.pk}).context["panel"]

    response = as_alice.post(
        reverse("conversation_start", args=["plants"]),
        {"question": form.question, "chapter": form.chapter_slug},
        follow=True,
    )

    conversation = alice.conversations.get()
    assert conversation.chapter.slug == "photosynthesis"
    assert not conversation.messages.exists()
    assert ">What does “light” mean?</textarea>" in response.content.decode()


def test_a_proposed_question_is_escaped_and_cut(as_alice):
    response = as_alice.post(
        reverse("conversation_start", args=["plants"]),
        {"question": "</textarea><script>" + "x" * 3_000},
        follow=True,
    )

    html = response.content.decode()
    assert "&lt;/textarea&gt;&lt;script&gt;x" in html and "<script>x" not in html
    assert "x" * 501 not in html
    [(address, _)] = response.redirect_chain
    assert len(address) < 1_000


def test_before_anything_is_approved_the_page_says_so(as_alice, term):
    term("sugar", status=Status.PENDING)

    html = as_alice.get(PAGE).content.decode()

    assert "No word has been approved" in html
    assert "Review what waits" not in html


def test_who_may_not_read_the_course_is_turned_away(client, course, term):
    term("light")
    login = client.get(PAGE)
    assert login.status_code == 302 and "/accounts/login/" in login.url

    Chapter.objects.all().delete()
    course.is_open = False
    course.save()
    assert client.get(PAGE).status_code == 404


@pytest.mark.parametrize(
    ("html", "forms", "expected"),
    [
        ("<p>Light is light.</p>", ["light"], "<p><mark>Light</mark> is <mark>light</mark>.</p>"),
        ('<a title="light">sun</a>', ["light"], '<a title="light">sun</a>'),
        ("<code>light</code> <math><mi>light</mi></math>", ["light"], None),
        ("<p>delight</p>", ["light"], None),
        ("<p>two roots</p>", ["root"], "<p>two <mark>roots</mark></p>"),
        ("<p>过拟合了</p>", ["过拟合"], "<p><mark>过拟合</mark>了</p>"),
        ("<p>R&amp;D, C++</p>", ["R&D", "C++"], "<p><mark>R&amp;D</mark>, <mark>C++</mark></p>"),
    ],
)
def test_words_are_marked_in_the_text_and_nowhere_else(html, forms, expected):
    assert marked(html, forms) == (expected or html)
