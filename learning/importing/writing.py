"""Bring a course in line with what was read from its folder, and report what that changed."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _

from learning.importing.documents import source_file
from learning.importing.files import CourseImportError, MarkdownFile, Problem, slug_of, title_of
from learning.importing.images import write_images
from learning.importing.matching import GONE, find_folders, find_whole_path, free_slug, match
from learning.importing.outline import ImportProgress, Outline, read_outline
from learning.models import Chapter, Course

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_LETTER = re.compile(r"[A-Za-z]")


@dataclass
class ImportReport:
    """What an import did. Lists hold titles of chapters, in order."""

    course: Course
    is_new: bool
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    unpublished: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        return _(
            "%(title)s (%(slug)s): %(added)d added, %(changed)d changed, %(unchanged)d unchanged, "
            "%(removed)d removed"
        ) % {
            "title": self.course.title,
            "slug": self.course.slug,
            "added": len(self.added),
            "changed": len(self.changed),
            "unchanged": len(self.unchanged),
            "removed": len(self.unpublished),
        }


def import_course(
    path: Path | str,
    *,
    slug: str = "",
    title: str = "",
    language: str = "",
    is_open: bool | None = None,
    progress: ImportProgress | None = None,
) -> ImportReport:
    """Make a folder of files into a course, or bring the course made from it up to date.

    What is given here wins over the index file's front matter, and that over what can be guessed.
    `is_open` None leaves enrolment as it is (closed for a new course). Raises `CourseImportError`
    when there is nothing to import; a single broken file is a problem in the report.

    A single file is added to the course `slug`, or updates its chapters there; the chapters of
    other files stay as they are.
    """
    path = Path(path)
    outline = read_outline(path, progress)
    return write_outline(path, outline, slug=slug, title=title, language=language, is_open=is_open)


@transaction.atomic
def write_outline(
    path: Path,
    outline: Outline,
    *,
    slug: str = "",
    title: str = "",
    language: str = "",
    is_open: bool | None = None,
    is_new: bool = False,
    into: Course | None = None,
    is_whole: bool = True,
) -> ImportReport:
    """Write what was read from a path; options as for `import_course`.

    `into`: the course whose chapters they are; its own title and language stay. `is_new`: raises
    `CourseImportError` where there is such a course already. `is_whole` False: the folder holds
    some of the course's files, maybe without the folders they are in there; the chapters of the
    others stay as they are.
    """
    outline.is_whole = outline.is_whole and is_whole
    if into is not None:
        into = Course.objects.select_for_update().get(pk=into.pk)
        report = ImportReport(into, False, problems=outline.problems, notes=outline.notes)
    else:
        report = _write_course(path, outline, slug, title, language, is_open)
    if is_new and not report.is_new:
        raise CourseImportError(
            _(
                "There is a course “%(title)s” with the address “%(slug)s” already. Import into "
                "that one, or give this one another title."
            )
            % {"title": report.course.title, "slug": report.course.slug}
        )
    if path.is_file():
        find_whole_path(outline, path, report.course.chapters.all())
    elif not is_whole:
        find_folders(outline, report.course.chapters.all())
    _write_chapters(report, outline)
    return report


def _write_course(path, outline: Outline, slug, title, language, is_open) -> ImportReport:
    index = outline.index or MarkdownFile("")
    slug = _course_slug(slug or index.named("slug") or slug_of(path.resolve().name))
    # Two imports into one course take their turns.
    course = Course.objects.select_for_update().filter(slug=slug).first()
    report = ImportReport(course or Course(slug=slug), is_new=course is None)
    report.problems, report.notes = list(outline.problems), list(outline.notes)

    course = report.course
    before = (course.title, course.summary, course.language, course.is_open)
    course.title = (
        title
        or index.named("title")
        or index.heading
        or course.title
        or title_of(path.resolve().name)
    )[:200]
    course.summary = outline.summary or course.summary
    course.language = _language(report, outline, language or index.named("language"))
    course.is_open = course.is_open if is_open is None else is_open
    if report.is_new or before != (
        course.title,
        course.summary,
        course.language,
        course.is_open,
    ):
        course.save()
    return report


def _course_slug(wanted: str) -> str:
    slug = slugify(wanted, allow_unicode=True)[:80]
    if not slug:
        raise CourseImportError(
            _("“%(slug)s” makes no address; give one with --slug.") % {"slug": wanted}
        )
    return slug


def _language(report: ImportReport, outline: Outline, wanted: str) -> str:
    known = [code for code, _name in settings.LANGUAGES]
    tag = wanted.lower().replace("_", "-")
    if tag in ("zh", "zh-cn", "zh-sg"):
        tag = "zh-hans"
    for candidate in (tag, tag.partition("-")[0]):
        if candidate in known:
            return candidate
    if wanted:
        where = outline.index.path if outline.index else "--language"
        reason = _("the language “%(wanted)s” is not one of: %(known)s.")
        report.problems.append(
            Problem(where, reason % {"wanted": wanted, "known": ", ".join(known)})
        )
    if not report.is_new:
        return report.course.language
    text = "".join(file.text for file in outline.chapters)
    is_chinese = len(_CHINESE.findall(text)) > len(_LETTER.findall(text)) / 3
    return "zh-hans" if is_chinese and "zh-hans" in known else "en"


def _write_chapters(report: ImportReport, outline: Outline) -> None:
    kept = {chapter.pk: chapter for chapter in report.course.chapters.all()}
    matched = match(list(kept.values()), outline)
    read_files = {source_file(file.path) for file in outline.chapters}
    # A book that comes as one file is in order even when it comes alone.
    is_in_order = outline.is_whole or all(
        source_file(chapter.source_path.removesuffix(GONE)) in read_files
        for chapter in kept.values()
    )
    last = max((chapter.position for chapter in kept.values()), default=0)
    taken = {chapter.slug for pk, chapter in kept.items() if chapter not in matched.values()}

    chapters = []
    for place, file in enumerate(outline.chapters, start=1):
        chapter = matched.get(file.path)
        position = place
        if not is_in_order:
            position = chapter.position if chapter else last + place
        slug = free_slug(file, chapter, taken)
        taken.add(slug)
        chapters.append((file, chapter, slug, position))
    # Two chapters may have exchanged their slugs, which are unique: free them first.
    for _file, chapter, slug, _position in chapters:
        if chapter and chapter.slug != slug:
            Chapter.objects.filter(pk=chapter.pk).update(slug=f"importing-{chapter.pk}")
    written = [
        (file, chapter or Chapter(course=report.course), slug, position)
        for file, chapter, slug, position in chapters
    ]
    for file, chapter, slug, position in written:
        _write_chapter(report, file, chapter, slug, position)
    report.notes += write_images(
        report.course,
        [(file, chapter) for file, chapter, *_place in written],
        is_whole=outline.is_whole,
    )

    for chapter in kept.values():
        source_path = chapter.source_path
        # Of what was not read whole, only the files that were read say what has gone.
        if not outline.is_whole and source_file(source_path) not in read_files:
            continue
        is_gone = source_path and not outline.holds(source_path) and not source_path.endswith(GONE)
        if is_gone and chapter not in matched.values():
            chapter.published_at = None
            chapter.source_path = source_path[: 500 - len(GONE)] + GONE
            chapter.save(update_fields=["published_at", "source_path", "updated_at"])
            report.unpublished.append(chapter.title)


def _write_chapter(report, file: MarkdownFile, chapter: Chapter, slug: str, position: int) -> None:
    is_new = chapter.pk is None
    fields = {
        "slug": slug,
        "title": file.title,
        "summary": file.named("summary"),
        "text": file.text,
        "position": position,
        "source_path": file.path[:500],
        "published_at": _published_at(file, chapter),
    }
    changed = [name for name, value in fields.items() if getattr(chapter, name) != value]
    if not is_new and not changed:
        report.unchanged.append(chapter.title)
        return
    for name in changed:
        setattr(chapter, name, fields[name])
    chapter.save()
    (report.added if is_new else report.changed).append(chapter.title)


def _published_at(file: MarkdownFile, chapter: Chapter):
    wanted = file.published_at
    if wanted is False:
        return None
    if wanted is None and not chapter.source_path.endswith(GONE):
        return chapter.published_at  # the model's default for a new one: now
    if wanted is None or wanted is True:
        now = timezone.now()
        return chapter.published_at if chapter.published_at and chapter.published_at <= now else now
    return wanted
