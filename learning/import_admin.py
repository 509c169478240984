"""The admin of imports: what was uploaded, how far its reading is, and what came of it."""

from django.contrib import admin
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import action

from learning.job_admin import SteersJobs, live, state_of
from learning.models import CourseImport
from learning.own_courses import ShowsTraces
from learning.roles import courses_of, looks_after_all


@admin.register(CourseImport)
class CourseImportAdmin(ShowsTraces, SteersJobs, ModelAdmin):
    list_display = ("name", "course", "state", "requested_by", "created_at", "seconds", "trace")
    list_filter = ("status",)
    actions_list = ("import_new",)
    list_select_related = ("course", "requested_by")
    search_fields = ("=id", "=trace_id", "name", "course__title")
    fields = (
        "name",
        "becomes",
        "requested_by",
        "state",
        "goes_on",
        "left_out",
        "came_of_it",
        "is_whole",
        "created_at",
        "seconds",
        "trace",
    )
    readonly_fields = fields

    def has_import_new_permission(self, request) -> bool:
        return request.user.has_perms(["learning.add_course", "learning.add_chapter"])

    @action(
        description=gettext_lazy("Import files"),
        url_path="new",
        icon="upload_file",
        permissions=["import_new"],
    )
    def import_new(self, request):
        return redirect("admin:learning_course_import_new")

    def get_queryset(self, request):
        imports = super().get_queryset(request)
        if looks_after_all(request.user):
            return imports
        # One that is to be a new course has none yet.
        own = imports.filter(course__in=courses_of(request.user))
        return own | imports.filter(course=None, requested_by=request.user)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def state(self, job):
        running = f"{job.percent} %"
        if job.doing:
            running = _("%(doing)s, %(percent)d %%") % {
                "doing": _(job.doing),
                "percent": job.percent,
            }
        return state_of(job, job.percent, 100, running)

    @admin.display(description=gettext_lazy("course"))
    def becomes(self, job):
        if job.course is None:
            return live(job, "course", _("a new one"))
        url = reverse("admin:learning_course_change", args=[job.course_id])
        return live(job, "course", format_html('<a href="{}">{}</a>', url, job.course))

    @admin.display(description=gettext_lazy("go on"))
    def goes_on(self, job):
        if job.course is None or job.status != CourseImport.Status.READY:
            return live(job, "goes-on", "–")
        ways = (
            (job.course.get_absolute_url(), _("read the course")),
            (reverse("admin:learning_course_try", args=[job.course_id]), _("try a question")),
            (reverse("admin:learning_course_enrol", args=[job.course_id]), _("enrol students")),
        )
        return live(job, "goes-on", format_html_join(" · ", '<a href="{}">{}</a>', ways))

    @admin.display(description=gettext_lazy("what came of it"))
    def came_of_it(self, job):
        done = [
            (words, titles)
            for words, titles in (
                (_("added"), job.report.get("added")),
                (_("changed"), job.report.get("changed")),
                (_("unpublished, as the file has gone"), job.report.get("unpublished")),
            )
            if titles
        ]
        rows = format_html_join(
            "",
            "<li>{} ({})<ul>{}</ul></li>",
            (
                (words, len(titles), format_html_join("", "<li>{}</li>", ((t,) for t in titles)))
                for words, titles in done
            ),
        )
        if unchanged := job.report.get("unchanged"):
            words = ngettext("%d chapter is unchanged", "%d chapters are unchanged", unchanged)
            rows += format_html("<li>{}</li>", words % unchanged)
        return live(job, "report", format_html("<ul>{}</ul>", rows) if rows else "–")

    @admin.display(description=gettext_lazy("left out"))
    def left_out(self, job):
        left_out = [*job.report.get("problems", ()), *job.report.get("notes", ())]
        rows = format_html_join("", "<li><b>{}</b> {}</li>", left_out)
        return live(job, "left-out", format_html("<ul>{}</ul>", rows) if rows else "–")
