"""Upload files in the admin, to become a course or to bring one up to date; a worker reads them."""

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from learning.importing import CourseImportError, uploads
from learning.importing.archive import MOST_FILES
from learning.models import Course

MOST_MEGABYTES = 300
# What the page lets pick; what else is in a folder is left alone by the import.
KINDS = ".zip,.md,.markdown,.pdf,.docx,.pptx,.html,.htm,.png,.jpg,.jpeg,.gif,.webp,.svg"


class _Files(forms.ClearableFileInput):
    allow_multiple_selected = True


class _FilesField(forms.FileField):
    widget = _Files

    def clean(self, value, initial=None):
        files = [super(_FilesField, self).clean(file, initial) for file in value or [None]]
        if len(files) > MOST_FILES:
            raise forms.ValidationError(
                _("At most %(most)d files at a time. Pack them into a zip archive.")
                % {"most": MOST_FILES}
            )
        if sum(file.size for file in files) > MOST_MEGABYTES * 1024**2:
            raise forms.ValidationError(
                _("At most %(most)d MB at a time. Upload them in several parts.")
                % {"most": MOST_MEGABYTES}
            )
        return files


class _UploadForm(forms.Form):
    files = _FilesField(
        label=gettext_lazy("Files"),
        help_text=gettext_lazy(
            "Markdown, PDF, DOCX, PPTX and HTML, several at once, or a zip archive of their folder."
        ),
        error_messages={"required": gettext_lazy("Choose the files first.")},
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, label_suffix="", **kwargs)
        self.fields["files"].widget.attrs |= {"accept": KINDS, "data-files": ""}

    def with_paths(self, paths: list[str]) -> list[tuple[str, object]]:
        """Return each file with its path in the folder it was picked from; else with its name."""
        files = self.cleaned_data["files"]
        if len(paths) != len(files):
            paths = [file.name for file in files]
        return list(zip(paths, files, strict=True))


class _NewCourseForm(_UploadForm):
    title = forms.CharField(
        label=gettext_lazy("Title"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("Empty: what the files say, else their folder's name."),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=[("", gettext_lazy("as the files are written")), *settings.LANGUAGES],
        required=False,
    )
    is_open = forms.BooleanField(
        label=gettext_lazy("Anyone who is logged in may enrol."), required=False
    )


class _CourseForm(_UploadForm):
    is_whole = forms.BooleanField(
        label=gettext_lazy("This is the whole course"),
        required=False,
        help_text=gettext_lazy(
            "Chapters whose files are not among these are unpublished, not deleted."
        ),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def import_files(request, course: Course | None = None):
    """Take files in, and lead to the page that shows how far their reading is."""
    may = ["learning.add_chapter", "learning.change_chapter", "learning.view_courseimport"]
    may.append("learning.change_course" if course else "learning.add_course")
    if not request.user.has_perms(may):
        raise PermissionDenied
    form_class = _CourseForm if course else _NewCourseForm
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    form = form_class(*sent)
    if form.is_valid():
        options = {name: value for name, value in form.cleaned_data.items() if name != "files"}
        files = form.with_paths(request.POST.getlist("paths"))
        try:
            job = uploads.receive(files, by=request.user, course=course, **options)
        except CourseImportError as error:
            form.add_error("files", str(error))
        else:
            url = reverse("admin:learning_courseimport_change", args=[job.pk])
            # A script that shows how far the upload is goes there itself.
            is_script = request.headers.get("X-Requested-With") == "fetch"
            return JsonResponse({"url": url}) if is_script else redirect(url)
    context = {
        **admin.site.each_context(request),
        "title": _("Import files"),
        "course": course,
        "form": form,
        # For the theme's trail at the top of the page.
        "opts": Course._meta,
        "original": course,
    }
    status = 422 if form.errors else 200
    return render(request, "admin/learning/import_files.html", context, status=status)
