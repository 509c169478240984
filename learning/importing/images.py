"""Pictures that the files of a course show are found beside them, and kept with the course."""

import copy
from datetime import timedelta
from pathlib import Path

from django.core.files.storage import storages
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from learning.chapter_images import relate
from learning.importing.files import MarkdownFile, Problem, UnreadableFile, is_named_in_utf8
from learning.importing.pictures import Picture, read_picture
from learning.models import Chapter, Course, CourseImage
from learning.rendering.chapters import pictures_named

LONGEST_PATH = 500
# A file that no row names may be of an import that is not done yet.
KEPT_FOR = timedelta(hours=1)


class PictureFinder:
    """Finds what the files of one folder show; each picture is read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.read: dict[Path, Picture | UnreadableFile] = {}

    def find(self, file: MarkdownFile) -> None:
        """Give a file the pictures that its text names, and what is wrong with the others."""
        for address, path in pictures_named(file.text, file.path).items():
            file.pictures[address] = self._picture(path)

    def _picture(self, path: str) -> Picture | UnreadableFile | None:
        """Return what is at a path in the folder; None if nothing is."""
        # A browser tells no folders of files that were picked one by one.
        for name in (path, path.rpartition("/")[2]):
            if _leads_out(name) or not is_named_in_utf8(name):
                continue
            try:
                file = (self.folder / name).resolve()
                is_there = file.exists() and not file.is_dir()
            except (OSError, RuntimeError):  # a name that is too long, links in a circle
                continue
            if is_there:
                return self._read(file)
        return None

    def _read(self, file: Path) -> Picture | UnreadableFile:
        if not file.is_relative_to(self.folder):
            return UnreadableFile(
                _("is a link that leads out of the folder. Copy the file itself there.")
            )
        if file not in self.read:
            try:
                self.read[file] = read_picture(file)
            except UnreadableFile as problem:
                self.read[file] = problem
        return self.read[file]


def write_images(
    course: Course, chapters: list[tuple[MarkdownFile, Chapter]], *, is_whole: bool
) -> list[Problem]:
    """Keep the pictures of chapters that were imported; return what is wrong with the others.

    Of a course that was not read whole, a picture that is not among its files stays as it was.
    """
    kept = {image.path: image for image in CourseImage.objects.filter(course=course)}
    known = set(kept)
    written: dict[str, Picture] = {}
    problems: dict[Problem, None] = {}
    for file, _chapter in chapters:
        named = pictures_named(file.text, file.path)
        for address, picture in file.pictures.items():
            path = named[address]
            if isinstance(picture, UnreadableFile):
                problems[Problem(path, str(picture))] = None
            elif isinstance(picture, Picture) and len(path) <= LONGEST_PATH:
                written[path] = picture
            elif is_whole or path not in known:
                problems[Problem(path, _missing(path, file.path))] = None
                if path in kept:
                    kept.pop(path).delete()
    for path, picture in written.items():
        _write(kept.get(path) or CourseImage(course=course, path=path), picture)

    imported = [chapter for _file, chapter in chapters]
    if written.keys() - known:  # what others have been waiting for
        imported = course.chapters.all()
    for chapter in imported:
        relate(chapter)
    for image in CourseImage.objects.filter(course=course, chapters=None):
        image.delete()  # one by one: their files go with them
    transaction.on_commit(lambda: discard_strays(course), robust=True)
    return list(problems)


def discard_strays(course: Course) -> None:
    """Delete files that no row names: of imports that were not finished, of courses deleted."""
    storage = storages["images"]
    for folder in filter(str.isdecimal, storage.listdir("")[0] if storage.exists("") else ()):
        is_of_this = folder == str(course.pk)
        if not is_of_this and Course.objects.filter(pk=folder).exists():
            continue
        images = CourseImage.objects.filter(course=folder)
        named = {image.file_name for image in images}
        for file in storage.listdir(folder)[1]:
            name = f"{folder}/{file}"
            is_old = storage.get_modified_time(name) < timezone.now() - KEPT_FOR
            if is_old and name not in named:
                storage.delete(name)


def _leads_out(path: str) -> bool:
    return path.startswith("/") or path.split("/")[0] == ".."


def _missing(path: str, shown_by: str) -> str:
    if _leads_out(path):
        words = _("leads out of the folder, and “%(file)s” shows it. Copy the picture into it.")
    else:
        words = _("is not there, and “%(file)s” shows it. Put it there, and import again.")
    return words % {"file": shown_by}


def _write(image: CourseImage, picture: Picture) -> None:
    before = copy.copy(image)
    fields = picture._asdict()
    file = fields.pop("file")
    changed = [name for name, value in fields.items() if getattr(image, name) != value]
    for name in changed:
        setattr(image, name, fields[name])
    with file.open("rb") as content:
        image.keep(content)
    if changed:
        image.save()
    if before.pk and before.sha256 != image.sha256:
        before.discard_file()
