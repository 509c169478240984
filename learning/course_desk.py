"""The pages of a course's desk, for the admin of courses: try a question, what is asked, enrol."""

from django.http import Http404
from django.urls import path

from learning.views import course_desk

# The last part of the address, and of its name after "learning_course_"
PAGES = {
    "try": course_desk.try_question,
    "questions": course_desk.questions,
    "enrol": course_desk.enrol,
}


class HasDesk:
    """For the admin of courses. Each page is about a course that this admin shows to who asks."""

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

    def _door(self, page):
        def door(request, object_id):
            course = self.get_object(request, str(object_id))
            if course is None:
                raise Http404
            return page(request, course)

        return door
