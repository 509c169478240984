"""The admin of the jobs that make something of a course: looked at and steered, never written."""

from collections import Counter
from collections.abc import Iterable

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin

from learning.job_admin import SteersJobs, live, state_of
from learning.models import StudyArtefact, StudyItem
from learning.own_courses import OfOwnCourses, OwnCoursesFilter, ShowsTraces
from learning.study_panel import counted, ways_on

Status = StudyArtefact.Status


@admin.register(StudyArtefact)
class StudyArtefactAdmin(ShowsTraces, OfOwnCourses, SteersJobs, ModelAdmin):
    intro = gettext_lazy(
        "Each job makes a word cloud, a knowledge graph or a quiz of a course. Start one on the "
        "page of the course."
    )
    list_display = (
        "kind_shown",
        "of",
        "state",
        "requested_by",
        "created_at",
        "seconds",
        "made_and_left_out",
        "goes_on",
        "trace",
    )
    list_filter = ("kind", "status", ("course", OwnCoursesFilter))
    list_select_related = ("course", "chapter", "requested_by")
    search_fields = ("=id", "=trace_id", "course__title", "chapter__title")
    fields = (
        "kind_shown",
        "course",
        "chapter",
        "made_anew",
        "requested_by",
        "state",
        "made",
        "goes_on",
        "reasons",
        "error",
        "model",
        "attempts",
        "created_at",
        "started_at",
        "seconds",
        "trace",
    )
    readonly_fields = fields

    def changelist_view(self, request, extra_context=None):
        page = super().changelist_view(request, extra_context)
        shown = getattr(page, "context_data", None) or {}
        if "cl" in shown:
            _count_items(request, shown["cl"].result_list)
        return page

    def get_object(self, request, object_id, from_field=None):
        job = super().get_object(request, object_id, from_field)
        if job is not None:
            _count_items(request, [job])
        return job

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def kind_shown(self, job):
        return job.get_kind_display()

    @admin.display(description=gettext_lazy("course, chapter"), ordering="course__title")
    def of(self, job):
        return f"{job.course} · {job.chapter}" if job.chapter_id else str(job.course)

    @admin.display(description=gettext_lazy("made anew"))
    def made_anew(self, job):
        return _("chapters whose text has changed") if job.only_changed else _("all of it")

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def state(self, job):
        done, total = len(job.chapters_done), job.chapters_total
        running = _("running, %(done)d of %(total)d") % {"done": done, "total": total}
        return state_of(job, done, total, running)

    @admin.display(description=gettext_lazy("made"))
    def made(self, job):
        return live(job, "made", _made(job))

    @admin.display(description=gettext_lazy("made, left out"))
    def made_and_left_out(self, job):
        left_out = sum(job.counts.get("dropped", {}).values())
        words = _("%(made)s; %(count)d left out") if left_out else "%(made)s"
        return live(job, "both", words % {"made": _made(job), "count": left_out})

    @admin.display(description=gettext_lazy("review"))
    def goes_on(self, job):
        ways = []
        if job.status == Status.READY:
            ways = ways_on(job.course, job.kind, job.items_counted, chapter=job.chapter)
        links = format_html_join(
            _(", "), '<a href="{}">{}</a>', ((way.url, way.words) for way in ways)
        )
        return live(job, "goes-on", links or "–")

    @admin.display(description=gettext_lazy("left out"))
    def reasons(self, job):
        rows = format_html_join("", "<li>{} × {}</li>", ((n, why) for why, n in job.dropped_shown))
        return live(job, "reasons", format_html("<ul>{}</ul>", rows) if rows else "–")


def _made(job: StudyArtefact) -> str:
    kinds = dict(StudyItem.Kind.choices)
    made = job.counts.get("made", {}).items()
    return _(", ").join(f"{count} × {kinds.get(kind, kind)}" for kind, count in made) or "–"


def _count_items(request, jobs_shown: Iterable[StudyArtefact]) -> None:
    """Tell each job what its course holds of each kind, for `goes_on`: one query for a page."""
    counts = Counter()
    if request.user.has_perm("learning.view_studyitem"):
        courses = {job.course_id for job in jobs_shown if job.status == Status.READY}
        counts = counted(course__in=courses)
    for job in jobs_shown:
        job.items_counted = counts
