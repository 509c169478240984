"""How a chapter's text will look, beside the field in the admin where it is written."""

from django.core.exceptions import PermissionDenied
from django.forms import Media, Script
from django.http import HttpResponseNotAllowed, JsonResponse
from django.urls import path

from learning.chapter_images import shown_pictures
from learning.rendering import render_chapter

LONGEST_TEXT = 1_000_000  # characters: more is no chapter


class Previews:
    """For the admin of chapters."""

    change_form_after_template = "admin/learning/chapter_preview.html"

    @property
    def media(self):
        # Not a class Media: of several mixins with one only the first would count.
        own = Media(
            css={"all": ["learning/code.css", "learning/preview.css"]},
            js=[Script("learning/preview.js", type="module")],
        )
        return super().media + own

    def get_urls(self):
        door = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", door, name="learning_chapter_preview"), *super().get_urls()]

    def preview_view(self, request):
        """Return the HTML that `text` is shown as: {"html"}; nothing of it is saved."""
        if not (self.has_change_permission(request) or self.has_add_permission(request)):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        text = request.POST.get("text", "")[:LONGEST_TEXT]
        chapter = self.get_object(request, request.GET.get("chapter", ""))
        of_chapter = {}
        if chapter and self.has_view_permission(request, chapter):
            of_chapter = {
                "source_path": chapter.source_path,
                "pictures": shown_pictures(chapter.course.images.all()),
            }
        return JsonResponse({"html": render_chapter(text, **of_chapter).html()})
