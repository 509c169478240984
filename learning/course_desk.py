"""The pages of a course's desk, for the admin of courses: import files, try a question, …"""

from django.http import Http404
from django.urls import path
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from learning.views import course_desk
from learning.views.course_import import import_files

# The last part of the address, and of its name after "learning_course_"
PAGES = {
    "try": course_desk.try_question,
    "questions": course_desk.questions,
    "enrol": course_desk.enrol,
    "import": import_files,
}


class HasDesk:
    """For the admin of courses. Each page is about a course that this admin shows to who asks.

    Above the list, files make a new one.
    """

    actions_list = ("import_new",)

    def get_urls(self):
        pages = [
            path(
                f"<int:object_id>/{name}/",
                self.admin_site.admin_view(self._door(page)),
                name=f"learning_course_{name}",
            )
            for name, page in PAGES.items()
        ]
        return [*pages, *super().get_urls()]

    def has_import_new_permission(self, request) -> bool:
        return request.user.has_perms(["learning.add_course", "learning.add_chapter"])

    @action(
        description=_("Import files"),
        url_path="import",
        icon="upload_file",
        permissions=["import_new"],
    )
    def import_new(self, request):
        return import_files(request)

    def _door(self, page):
        def door(request, object_id):
            course = self.get_object(request, str(object_id))
            if course is None:
                raise Http404
            return page(request, course)

        return door
