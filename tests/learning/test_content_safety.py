"""Words stay words: no text that somebody wrote becomes code, an element or an address.

Every page is fetched twice, with harmless words and with hostile ones. But for the words the two
must be one page: element by element and attribute by attribute.
"""

import io
import re
import zipfile
from collections.abc import Sequence
from urllib.parse import urlsplit

import pytest
from django.contrib.messages.storage.base import Message as Notice

from learning import events
from learning.importing import import_course
from learning.models import Citation, Conversation
from learning.rendering import AnswerRenderer
from tests.hostile import HOSTILE, PLAIN
from tests.learning.hostile_site import Site, born_outside_markdown, faults, parsed

LISTS = (
    "learning/conversation learning/message learning/course learning/chapter learning/enrolment"
    " learning/user auth/group axes/accessattempt axes/accesslog rag/indexversion rag/chunk"
    " tracing/tracerecord tracing/scorerecord"
).split()


@pytest.fixture
def site(db) -> Site:
    return Site()


def expect_the_same_pages(site: Site, client, addresses: Sequence[str]) -> None:
    """Fetch the pages with plain words and with hostile ones, and compare them."""
    site.say(PLAIN)
    plain = [client.get(address, follow=True) for address in addresses]
    assert "zqx" in "".join(page.text for page in plain), "none of the texts is shown"
    site.say(HOSTILE)
    for address, before in zip(addresses, plain, strict=True):
        response = client.get(address, follow=True)
        assert response.status_code == before.status_code == 200
        expect_only_words(parsed(before.text), parsed(response.text))


def expect_only_words(plain, hostile) -> None:
    assert faults(hostile) == []
    born = born_outside_markdown(hostile)
    born.subtract(born_outside_markdown(plain))
    # A new line in a text may be shown as one.
    assert {element: count for element, count in born.items() if count} in (
        {},
        {"br ": born["br "]},
    )


def enter(client, user):
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")


STUDENTS_PAGES = [
    "/",
    "/courses/c{n}/",
    "/courses/c{n}/chapters/one/",
    "/courses/c{n}/quiz/",
    "/conversations/{talk}/",
    "/conversations/{talk}/?all=1",
    "/conversations/{talk}/delete/",
    "/accounts/privacy/",
]


@pytest.mark.parametrize("address", STUDENTS_PAGES)
def test_a_student_s_page_holds_words_and_nothing_that_they_made(site, client, address):
    enter(client, site.reader)
    talks = list(Conversation.objects.order_by("course__pk"))
    numbers = range(len(HOSTILE)) if "{" in address else [0]

    expect_the_same_pages(
        site, client, [address.format(n=number, talk=talks[number].pk) for number in numbers]
    )


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_the_admin_holds_words_and_nothing_that_they_made(site, client, name):
    enter(client, site.staff)

    expect_the_same_pages(site, client, [f"/admin/{name}/"])


@pytest.mark.parametrize("what", ["change", "delete"])
def test_a_row_of_the_admin_holds_words_and_nothing_that_they_made(site, client, what):
    enter(client, site.staff)
    asked = []
    for number, name in enumerate(LISTS):
        listed = parsed(client.get(f"/admin/{name}/").text)
        links = [a["href"] for a in listed.select("#result_list a[href*='/change/']")]
        rows = sorted({link.partition("?")[0] for link in links if f"/admin/{name}/" in link})
        # These pages are slow and much alike: a few texts for each, all texts over all pages.
        asked += [row.replace("/change/", f"/{what}/") for row in rows[number % 11 :: 11]]

    expect_the_same_pages(site, client, [a for a in asked if client.get(a).status_code == 200])


def test_a_trace_shows_what_was_recorded_as_words(site, client):
    enter(client, site.staff)
    numbers = range(len(HOSTILE))

    expect_the_same_pages(
        site, client, [f"/admin/tracing/tracerecord/trace-{n}/change/" for n in numbers]
    )


def test_the_dashboard_shows_names_as_words(site, client):
    enter(client, site.staff)

    expect_the_same_pages(site, client, ["/admin/?days=1"])


@pytest.mark.parametrize("address", ["/admin/search/", "/admin/search/?extended=1"])
def test_the_search_of_the_admin_shows_what_it_finds_as_words(site, client, address):
    enter(client, site.staff)
    site.say(HOSTILE)

    page = parsed(client.get(address, {"s": "zqx"}).text)

    assert faults(page) == []
    assert not page.find_all(["script", "img", "iframe", "math", "style", "base", "form"])


@pytest.mark.parametrize("text", HOSTILE)
def test_an_address_that_was_asked_for_is_not_repeated_as_markup(course, alice, client, text):
    enter(client, alice)
    for address in ("/", "/accounts/privacy/", "/nothing/", "/courses/plants/chapters/roots/"):
        page = parsed(client.get(address, {text: text, "passage": text, "next": text}).text)
        assert faults(page) == []
        assert [e for e in page.find_all("script") if not e.get("src")] == []
    client.logout()
    for address in ("/accounts/login/", "/accounts/signup/", "/admin/login/"):
        shown = client.get(address, {"next": text})
        filled = client.post(address, {"username": text, "email": text, "next": text})
        for response in (shown, filled):
            page = parsed(response.text)
            assert faults(page) == []
            assert [form for form in page("form") if urlsplit(form.get("action", "")).netloc] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_the_frames_of_an_answer_hold_markup_of_ours_only(text):
    renderer = AnswerRenderer({1: "/courses/c0/"})
    for end in range(0, len(text) + 1, 3):
        renderer.feed(text[:end])
        html = "".join(f'<div class="block">{block}</div>' for block in renderer.blocks)
        assert faults(parsed(f"<div data-blocks>{html}</div>")) == []
    quote = events.source(Citation(number=1, title=text, quote=text, score=1))["quote_html"]
    assert faults(parsed(f"<div data-quote>{quote}</div>")) == []
    frame = events.dumps({"text": text})
    assert "\n" not in frame and "\r" not in frame


def test_a_notice_shows_names_as_words(site, client, settings):
    enter(client, site.staff)
    site.say(HOSTILE)
    for name in ("course", "chapter", "user"):
        listed = parsed(client.get(f"/admin/learning/{name}/").text)
        row = listed.select_one("#result_list a[href*='/change/']")["href"]
        deleted = client.post(row.replace("/change/", "/delete/"), {"post": "yes"}, follow=True)
        assert any("zqx" in Notice(0, m.message).message for m in deleted.context["messages"])
        assert faults(parsed(deleted.text)) == []


def test_what_a_page_is_told_about_itself_cannot_end_its_script(site, client):
    """Blocks of data in pages would be ended by `</script>`; students' pages hold none at all."""
    enter(client, site.reader)
    site.say(HOSTILE)
    talk = Conversation.objects.first()
    for address in ("/", f"/conversations/{talk.pk}/", "/courses/c1/chapters/one/"):
        page = client.get(address).text
        assert all("src=" in script for script in re.findall(r"<script[^>]*>", page))


# --- Files ---------------------------------------------------------------------------------------


def _archive(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return packed.getvalue()


CONTENTS = {
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "half a DOCX": _archive("[Content_Types].xml", "word/document.xml"),
    "half a PPTX": _archive("[Content_Types].xml", "ppt/presentation.xml"),
    "an archive": _archive("a.txt"),
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "a program": b"\x7fELF\x02\x01\x01\0",
    "a packed file": b"\x1f\x8b\x08\0",
}


@pytest.mark.parametrize("name", [".pdf", ".docx", ".pptx", ".html", ".md"])
@pytest.mark.parametrize("content", CONTENTS)
def test_what_a_file_is_is_told_by_its_content_and_not_by_its_name(db, tmp_path, content, name):
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / f"one{name}").write_bytes(CONTENTS[content])
    (tmp_path / "course" / "two.md").write_text("# Two\n\nWords.", encoding="utf-8")

    report = import_course(tmp_path / "course")

    assert report.added == ["Two"]
    assert [path for path, _ in report.problems] == [f"one{name}"]
