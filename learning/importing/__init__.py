"""A folder of files becomes a course, and importing it again brings the course up to date.

Steps: read every file (`files.py` for Markdown, `documents.py` for the other kinds), find the
order (`outline.py`), write what differs in one transaction (`writing.py`). Indexing is another
matter: see `rag.indexing`.

Nothing is lost: a file that cannot be read leaves its chapter as it was, and a chapter whose file
has gone is unpublished, not deleted; it is published again when the file returns.
"""

from learning.importing.files import CourseImportError, Problem
from learning.importing.writing import ImportReport, import_course

__all__ = ["CourseImportError", "ImportReport", "Problem", "import_course"]
