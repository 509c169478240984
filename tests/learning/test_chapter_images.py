"""Chapters show the pictures of their course, to those who may read them, and no others."""

import hashlib
import os
import shutil
import struct
import zipfile
from io import BytesIO
from pathlib import Path
from zlib import crc32

import pytest
from django.contrib.auth.models import Group
from django.core.files.storage import storages
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from learning.chapter_images import shown_pictures
from learning.importing import import_course
from learning.importing.archive import unpack
from learning.importing.outline import read_outline
from learning.importing.writing import write_outline
from learning.models import Chapter, Course, CourseImage, Enrolment
from learning.rendering import render_chapter
from learning.roles import TEACHER
from rag.chunking import embedded_text
from tests.learning.study import reviewer

pytestmark = pytest.mark.django_db(transaction=True)

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 30"><script>alert(1)</script></svg>'
SHOWS = "# Leaves\n\nLook.\n\n![A leaf](figures/leaf.png)\n"


def points(kind="PNG", size=(40, 30), colour="green", **options) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(autouse=True)
def kept():
    """The files that are kept."""
    folder = Path(storages["images"].location)
    yield lambda: sorted(folder.glob("*/*"))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "botany"
    (folder / "figures").mkdir(parents=True)
    (folder / "01-leaves.md").write_text(SHOWS)
    (folder / "figures" / "leaf.png").write_bytes(points())
    return folder


@pytest.fixture
def shown(client, staff):
    """What a chapter's page shows, to one who may see all."""
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    return lambda chapter: client.get(chapter.get_absolute_url()).text


def the_chapter(slug="leaves") -> Chapter:
    return Chapter.objects.get(slug=slug)


def the_image() -> CourseImage:
    return CourseImage.objects.get()


def named(report) -> dict[str, str]:
    return dict(report.notes)


def test_a_picture_is_shown_where_it_stands_with_its_description_and_size(folder, shown):
    assert import_course(folder).notes == []

    html = shown(the_chapter())
    url = the_image().get_absolute_url()
    assert (
        f'<figure><a class="image" href="{url}" target="_blank" rel="noopener noreferrer nofollow">'
        f'<img src="{url}" alt="A leaf" width="40" height="30" loading="lazy" decoding="async">'
        "</a></figure>"
    ) in html


def test_the_text_stays_as_it_was_written_so_that_passages_stand_where_they_stood(folder):
    import_course(folder)

    chapter = the_chapter()
    assert chapter.text == "Look.\n\n![A leaf](figures/leaf.png)\n"
    shown = shown_pictures(chapter.images.all())
    without, with_it = (
        [block[:2] for block in render_chapter(chapter.text, pictures=pictures).blocks]
        for pictures in ({}, shown)
    )
    assert with_it == without == [(0, 5), (7, 34)]


def test_a_title_becomes_the_caption(folder, shown):
    text = '![A leaf](figures/leaf.png "Green, *mostly* & <b>flat</b>")\n'
    (folder / "01-leaves.md").write_text(text)
    import_course(folder)

    caption = "<figcaption>Green, *mostly* &amp; &lt;b&gt;flat&lt;/b&gt;</figcaption></figure>"
    assert caption in shown(the_chapter())


def test_pictures_in_a_line_a_link_and_html_are_shown_too(folder, shown):
    (folder / "01-leaves.md").write_text(
        "A ![one](figures/leaf.png) in a line.\n\n"
        "[![two](figures/leaf.png)](https://a.example/)\n\n"
        '<img alt="three" onerror="alert(1)" src="figures/leaf.png">\n\n'
        "<p>and <img src='figures/leaf.png' alt='four'></p>\n\n![](figures/leaf.png)\n"
    )
    import_course(folder)

    html = shown(the_chapter())
    assert html.count("<img ") == 5
    assert html.count('class="image"') == 3  # not in another link, and not without a name
    assert "A <a" in html and "</a> in a line." in html
    assert '<a href="https://a.example/"' in html and "onerror" not in html


def test_a_picture_is_found_from_where_its_chapter_stands(folder, shown):
    (folder / "part").mkdir()
    (folder / "part" / "02-buds.md").write_text("![A bud](../figures/bud%20one.png)\n")
    (folder / "figures" / "bud one.png").write_bytes(points(size=(7, 5)))
    import_course(folder)

    assert 'alt="A bud" width="7" height="5"' in shown(the_chapter("buds"))


def test_an_html_file_keeps_its_pictures(folder, shown):
    (folder / "02-roots.html").write_text(
        '<h1>Roots</h1><p>Deep.</p><figure><img src="figures/leaf.png" alt="A root">'
        "<figcaption>Below.</figcaption></figure>"
        '<img src="https://evil.example/x.png" alt="Elsewhere"><img src="data:image/png;base64,AA">'
    )
    assert import_course(folder).notes == []

    html = shown(the_chapter("roots"))
    assert 'alt="A root" width="40" height="30"' in html and "Below." in html
    assert '<span class="picture">Elsewhere</span>' in html and "evil.example" not in html


@pytest.mark.parametrize(
    "address", ["https://evil.example/x.png", "//evil.example/x.png", "data:image/png;base64,AA"]
)
def test_a_picture_of_another_host_stays_its_description(folder, shown, address):
    (folder / "01-leaves.md").write_text(f"![A leaf]({address})\n\n<img src='{address}' alt=B>\n")
    assert import_course(folder).notes == []

    html = shown(the_chapter())
    assert (
        '<span class="picture">A leaf</span>' in html and '<span class="picture">B</span>' in html
    )
    assert "<img" not in html.partition('class="prose"')[2]
    assert "evil" not in html


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "is not there, and “01-leaves.md” shows it"),
        (b"words", "is not a PNG"),
        (b"<html><body>x</body></html>", "is not a PNG"),
        (b"GIF89a", "is not a PNG"),
        (points()[:-30], "is damaged"),
        (points().ljust(5 * 1024**2 + 1, b"x"), "larger than 5 MB"),
        (b'<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG.encode(), "holds entities"),
    ],
)
def test_what_cannot_be_shown_is_noted_and_its_description_stands(
    folder, shown, content, complaint
):
    file = folder / "figures" / "leaf.png"
    file.unlink() if content is None else file.write_bytes(content)

    report = import_course(folder)

    assert complaint in named(report)["figures/leaf.png"]
    assert (report.added, report.problems) == (["Leaves"], [])
    assert '<span class="picture">A leaf</span>' in shown(the_chapter())
    assert not CourseImage.objects.exists()


@pytest.mark.parametrize("sides", [(60_000, 60_000), (10_000, 9_000), (5_200, 5_000)])
def test_a_small_file_with_many_points_is_never_unpacked(folder, sides):
    head = b"IHDR" + struct.pack(">IIBBBBB", *sides, 8, 2, 0, 0, 0)
    bomb = points()
    bomb = bomb[:12] + head + struct.pack(">I", crc32(head)) + bomb[33:]
    (folder / "figures" / "leaf.png").write_bytes(bomb)

    assert "more than 25 million points" in named(import_course(folder))["figures/leaf.png"]


def test_no_picture_is_taken_from_outside_the_folder(folder, tmp_path):
    (tmp_path / "secret.png").write_bytes(points(colour="red"))
    outside = tmp_path / "secret.png"
    (folder / "figures" / "link.png").symlink_to(outside)
    (folder / "01-leaves.md").write_text(
        f"![a](../secret.png) ![b](figures/link.png) ![c]({outside}) ![d](figures/../../secret.png)"
        " ![e](%2e%2e/secret.png) ![f](..\\secret.png) ![g](a%00.png)\n"
    )

    report = import_course(folder)

    assert set(named(report)) == {"../secret.png", "figures/link.png", str(outside)}
    assert named(report)["../secret.png"].startswith("leads out of the folder, and “01-leaves.md”")
    assert not CourseImage.objects.exists()


@pytest.mark.parametrize(
    ("content", "kind", "size"),
    [
        (points("JPEG"), "jpg", (40, 30)),
        (points("GIF"), "gif", (40, 30)),
        (points("WEBP"), "webp", (40, 30)),
        (SVG.encode(), "svg", (40, 30)),
        (SVG.replace("viewBox", 'width="2in" viewBox').encode(), "svg", (192, 144)),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "svg", (300, 150)),
    ],
)
def test_a_picture_is_what_it_holds_whatever_its_name_says(folder, content, kind, size):
    (folder / "figures" / "leaf.png").write_bytes(content)

    assert import_course(folder).notes == []

    image = the_image()
    assert (image.kind, (image.width, image.height)) == (kind, size)


def test_a_photograph_that_lies_on_its_side_has_the_size_it_is_shown_in(folder):
    turned = Image.Exif()
    turned[0x0112] = 6
    (folder / "figures" / "leaf.png").write_bytes(points("JPEG", exif=turned))
    import_course(folder)

    assert (the_image().width, the_image().height) == (30, 40)


def test_the_same_picture_is_kept_once_in_a_course(folder, kept):
    (folder / "figures" / "copy.png").write_bytes(points())
    (folder / "02-roots.md").write_text("![a](figures/copy.png) ![b](figures/leaf.png)\n")
    import_course(folder)

    assert CourseImage.objects.count() == 2
    assert [file.name for file in kept()] == [f"{hashlib.sha256(points()).hexdigest()}.png"]


def test_another_import_brings_pictures_up_to_date_and_lets_go_of_others(folder, kept, shown):
    import_course(folder)
    (folder / "figures" / "leaf.png").write_bytes(points(size=(9, 9)))
    import_course(folder)

    assert (the_image().width, len(kept())) == (9, 1)
    assert 'alt="A leaf" width="9"' in shown(the_chapter())

    (folder / "01-leaves.md").write_text("# Leaves\n\nNone.\n")
    import_course(folder)
    assert (CourseImage.objects.count(), kept()) == (0, [])


def test_a_picture_that_has_gone_from_the_folder_is_noted(folder, shown, kept):
    import_course(folder)
    (folder / "figures" / "leaf.png").unlink()

    assert set(named(import_course(folder))) == {"figures/leaf.png"}
    assert '<span class="picture">A leaf</span>' in shown(the_chapter())
    assert kept() == []


def test_a_chapter_that_comes_alone_keeps_the_pictures_it_had(folder, tmp_path, shown):
    import_course(folder)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "01-leaves.md").write_text(SHOWS.replace("Look", "See"))

    report = write_outline(alone, read_outline(alone), slug="botany", is_whole=False)

    assert (report.changed, report.notes) == (["Leaves"], [])
    assert 'alt="A leaf" width="40"' in shown(the_chapter())


def test_files_that_were_picked_without_their_folders_find_each_other(tmp_path, shown):
    (tmp_path / "leaves.md").write_text(SHOWS)
    (tmp_path / "leaf.png").write_bytes(points())

    assert import_course(tmp_path, slug="botany").notes == []
    assert 'alt="A leaf" width="40"' in shown(the_chapter())


def test_an_archive_brings_its_pictures(folder, tmp_path):
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, file.relative_to(folder.parent))
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()

    assert import_course(unpack(packed, unpacked)).notes == []
    assert the_image().path == "figures/leaf.png"


def test_a_picture_shows_in_a_chapter_that_is_edited_by_hand(folder, shown, staff, client):
    import_course(folder)
    course = Course.objects.get()
    chapter = Chapter.objects.create(course=course, slug="new", title="New", text="")
    chapter.text = "![Again](figures/leaf.png)"
    chapter.save()

    assert 'alt="Again" width="40"' in shown(chapter)

    url = reverse("admin:learning_chapter_preview")
    sent = {"text": "![Sooner](figures/leaf.png)"}
    of_chapter = f"{url}?chapter={chapter.pk}"
    assert 'alt="Sooner" width="40"' in client.post(of_chapter, sent).json()["html"]
    assert "<img" not in client.post(url, sent).json()["html"]
    teacher = reviewer("teacher", "change_chapter", "view_chapter")  # of no course
    teacher.groups.add(Group.objects.get_or_create(name=TEACHER)[0])
    client.force_login(teacher, backend="django.contrib.auth.backends.ModelBackend")
    assert "<img" not in client.post(of_chapter, sent).json()["html"]


def test_a_course_takes_its_pictures_along_when_it_is_deleted(folder, kept):
    import_course(folder)
    Course.objects.get().delete()

    assert (CourseImage.objects.count(), kept()) == (0, [])


def test_what_an_import_that_broke_off_has_left_is_swept_up(folder, kept):
    import_course(folder)
    root = Path(storages["images"].location)
    old, strange = root / str(Course.objects.get().pk) / "old.png", root / "99999" / "x.png"
    new = old.with_name("new.png")
    strange.parent.mkdir()
    for file in (old, new, strange):
        file.write_bytes(b"x")
    for file in (old, strange):
        os.utime(file, (0, 0))
    import_course(folder)

    assert not old.exists() and not strange.exists()
    assert new.exists() and len(kept()) == 2


@pytest.fixture
def svg(folder, alice) -> CourseImage:
    (folder / "figures" / "leaf.png").write_text(SVG)
    import_course(folder)
    Enrolment.objects.create(user=alice, course=Course.objects.get())
    return the_image()


def test_a_picture_that_is_opened_by_itself_can_run_and_load_nothing(svg, client, alice):
    client.force_login(alice)
    response = client.get(svg.get_absolute_url())

    assert (response.status_code, response.content.decode()) == (200, SVG)
    headers = response.headers
    assert headers["Content-Type"] == "image/svg+xml"
    policy = headers["Content-Security-Policy"]
    assert {"default-src 'none'", "sandbox"} <= set(policy.split("; "))
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert client.post(svg.get_absolute_url()).status_code == 405


def test_only_readers_who_may_see_a_chapter_with_it_may_see_a_picture(svg, client, alice, bob):
    url = svg.get_absolute_url()
    assert client.get(url).status_code == 404  # nobody; the course is closed
    client.force_login(bob)
    assert client.get(url).status_code == 404
    client.force_login(alice)
    assert client.get(url).status_code == 200
    assert client.get(url.replace(".svg", ".png")).status_code == 404
    assert client.get(url.replace(svg.sha256, "0" * 64)).status_code == 404

    Chapter.objects.update(published_at=None)
    assert client.get(url).status_code == 404
    Chapter.objects.create(course=svg.course, slug="b", title="B", text="![](figures/leaf.png)")
    assert client.get(url).status_code == 200
    tomorrow = timezone.now() + timezone.timedelta(days=1)
    Chapter.objects.update(published_at=tomorrow)
    assert client.get(url).status_code == 404


def test_who_writes_a_chapter_sees_pictures_that_none_shows_yet(svg, client, alice, staff):
    Chapter.objects.all().delete()
    client.force_login(alice)
    assert client.get(svg.get_absolute_url()).status_code == 404
    client.force_login(staff)
    assert client.get(svg.get_absolute_url()).status_code == 200


def test_a_file_that_is_lost_is_not_found(svg, client, alice, kept):
    kept()[0].unlink()
    client.force_login(alice)

    assert client.get(svg.get_absolute_url()).status_code == 404


def test_search_reads_what_a_picture_shows_and_not_where_it_is():
    text = 'See ![A leaf](figures/green-thing.png "It is flat") and ![](x.png) ![b](<a (1).png>).'

    assert embedded_text(["Leaves"], text) == "Leaves\nSee A leaf It is flat and  b."
