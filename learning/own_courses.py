"""The admin of those who look after some courses: what is of another course is not there.

    class ChapterAdmin(OfOwnCourses, ModelAdmin):
        list_filter = (("course", OwnCoursesFilter),)

Rows, choices of a form, filters; bulk actions, searches and direct addresses follow from the rows.
Which courses are somebody's own: `learning.roles`.
"""

from django.contrib import admin

from learning.models import Chapter, Course, User
from learning.roles import courses_of, looks_after_all, students_of


class OfOwnCourses:
    """For an admin class, or an inline, whose rows belong to a course."""

    course_lookup = "course"  # from a row to its course

    def get_queryset(self, request):
        rows = super().get_queryset(request)
        if looks_after_all(request.user):
            return rows
        return rows.filter(**{f"{self.course_lookup}__in": courses_of(request.user)})

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        # A choice that is not offered is not taken either.
        own = {
            Course: courses_of,
            Chapter: lambda user: Chapter.objects.filter(course__in=courses_of(user)),
            User: students_of,
        }.get(db_field.remote_field.model)
        if own is not None and not looks_after_all(request.user):
            kwargs["queryset"] = own(request.user)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class OwnCoursesFilter(admin.RelatedFieldListFilter):
    def field_choices(self, field, request, model_admin):
        if looks_after_all(request.user):
            return super().field_choices(field, request, model_admin)
        return field.get_choices(
            include_blank=False,
            ordering=self.field_admin_ordering(field, request, model_admin),
            limit_choices_to={"pk__in": courses_of(request.user).values("pk")},
        )


class ShowsTraces:
    """Leaves the columns and fields of traces away for those who may not open one."""

    trace_fields = ("trace", "traces")

    def get_list_display(self, request):
        return self._without_traces(request, super().get_list_display(request))

    def get_fields(self, request, obj=None):
        return self._without_traces(request, super().get_fields(request, obj))

    def _without_traces(self, request, names):
        if request.user.has_perm("tracing.view_tracerecord"):
            return names
        return [name for name in names if name not in self.trace_fields]
