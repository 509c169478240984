"""The admin of the jobs that make something of a course: looked at and steered, never written."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import Script
from django.http import HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin

from learning.artefacts import jobs
from learning.links import trace_links
from learning.models import StudyArtefact, StudyItem
from learning.own_courses import OfOwnCourses, OwnCoursesFilter, ShowsTraces
from learning.study_panel import counted, ways_on

Status = StudyArtefact.Status
LONG_WAIT = timedelta(seconds=30)


@admin.register(StudyArtefact)
class StudyArtefactAdmin(ShowsTraces, OfOwnCourses, ModelAdmin):
    """What shows how far a job is carries `data-live`: study_jobs.js keeps it up to date."""

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
    list_before_template = "admin/learning/job_worker.html"
    change_form_outer_before_template = "admin/learning/job_actions.html"
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

    class Media:
        css = {"all": ["learning/review.css"]}
        js = [Script("learning/study_jobs.js", type="module")]

    def get_urls(self):
        ways = {"retry": self.retry_view, "cancel": self.cancel_view}
        return [
            *(
                path(
                    f"<uuid:job_id>/{name}/",
                    self.admin_site.admin_view(view),
                    name=f"learning_studyartefact_{name}",
                )
                for name, view in ways.items()
            ),
            *super().get_urls(),
        ]

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        # With its course it goes at any time: its worker notices.
        here = request.resolver_match.url_name or ""
        is_alone = obj is not None and here.startswith("learning_studyartefact_")
        return super().has_delete_permission(request, obj) and (not is_alone or obj.is_over)

    def changelist_view(self, request, extra_context=None):
        waits = is_nobody_working()
        extra = {**(extra_context or {}), "waits_in_vain": waits}
        page = super().changelist_view(request, extra)
        shown = getattr(page, "context_data", None) or {}
        if "cl" in shown:
            _count_items(request, shown["cl"].result_list)
        return page

    def get_object(self, request, object_id, from_field=None):
        job = super().get_object(request, object_id, from_field)
        if job is not None:
            _count_items(request, [job])
        return job

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        steers = {
            "may_steer": request.user.has_perm("learning.change_studyartefact"),
            "waits_in_vain": is_nobody_working(),
        }
        extra = {**(extra_context or {}), **steers}
        return super().changeform_view(request, object_id, form_url, extra)

    def retry_view(self, request, job_id):
        return self._steer(
            request,
            job_id,
            jobs.retry,
            lambda job: _("In the queue again."),
            _("It cannot be tried again: it runs, is done, or another one like it waits."),
        )

    def cancel_view(self, request, job_id):
        return self._steer(request, job_id, jobs.cancel, _cancelled, _("It is over already."))

    def _steer(self, request, job_id, does, done, not_done: str):
        """Do it, and say `done(job)` of the job as it is then."""
        if not request.user.has_perm("learning.change_studyartefact"):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        job = self.get_queryset(request).filter(pk=job_id).first()
        if job is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(job_id))
        if does(job):
            messages.success(request, done(job))
        else:
            messages.warning(request, not_done)
        here = reverse("admin:learning_studyartefact_change", args=[job_id])
        return HttpResponseRedirect(here)

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
        words = job.get_status_display()
        bar = ""
        if job.status == Status.RUNNING:
            done, total = len(job.chapters_done), job.chapters_total
            if job.is_cancel_wanted:
                words = _("is being cancelled")
            elif total:
                words = _("running, %(done)d of %(total)d") % {"done": done, "total": total}
            progress = format_html('value="{}" max="{}"', done, total) if total else ""
            bar = format_html(' <progress {} aria-label="{}"></progress>', progress, words)
        elif job.message:
            words = f"{words}: {job.message_shown}"
        return _live(job, "state", format_html("{}{}", words, bar), is_running=not job.is_over)

    @admin.display(description=gettext_lazy("seconds"))
    def seconds(self, job):
        if job.started_at is None or job.status == Status.PENDING:
            return _live(job, "seconds", "–")
        took = (job.finished_at or timezone.now()) - job.started_at
        return _live(job, "seconds", f"{took.total_seconds():.0f}")

    @admin.display(description=gettext_lazy("made"))
    def made(self, job):
        return _live(job, "made", _made(job))

    @admin.display(description=gettext_lazy("made, left out"))
    def made_and_left_out(self, job):
        left_out = sum(job.counts.get("dropped", {}).values())
        words = _("%(made)s; %(count)d left out") if left_out else "%(made)s"
        return _live(job, "both", words % {"made": _made(job), "count": left_out})

    @admin.display(description=gettext_lazy("review"))
    def goes_on(self, job):
        ways = []
        if job.status == Status.READY:
            ways = ways_on(job.course, job.kind, job.items_counted, chapter=job.chapter)
        links = format_html_join(
            ", ", '<a href="{}">{}</a>', ((way.url, way.words) for way in ways)
        )
        return _live(job, "goes-on", links or "–")

    @admin.display(description=gettext_lazy("left out"))
    def reasons(self, job):
        rows = format_html_join("", "<li>{} × {}</li>", ((n, why) for why, n in job.dropped_shown))
        return _live(job, "reasons", format_html("<ul>{}</ul>", rows) if rows else "–")

    @admin.display(description=gettext_lazy("what went wrong"))
    def error(self, job):
        words = format_html("{}<br><code>{}</code>", job.message_shown, job.detail)
        return _live(job, "error", words if job.detail else job.message_shown or "–")

    @admin.display(description=gettext_lazy("trace"))
    def trace(self, job):
        return _live(job, "trace", trace_links(job.trace_id))


def _made(job: StudyArtefact) -> str:
    kinds = dict(StudyItem.Kind.choices)
    made = job.counts.get("made", {}).items()
    return ", ".join(f"{count} × {kinds.get(kind, kind)}" for kind, count in made) or "–"


def _cancelled(job: StudyArtefact) -> str:
    is_over = StudyArtefact.objects.filter(pk=job.pk, status=Status.CANCELLED).exists()
    return _("Cancelled.") if is_over else _("It ends within seconds.")


def _count_items(request, jobs_shown: Iterable[StudyArtefact]) -> None:
    """Tell each job what its course holds of each kind, for `goes_on`: one query for a page."""
    counts = Counter()
    if request.user.has_perm("learning.view_studyitem"):
        courses = {job.course_id for job in jobs_shown if job.status == Status.READY}
        counts = counted(course__in=courses)
    for job in jobs_shown:
        job.items_counted = counts


def is_nobody_working() -> bool:
    """Whether a job waits for long while no other runs: then there may be no worker."""
    long_ago = timezone.now() - LONG_WAIT
    waits = StudyArtefact.objects.filter(status=Status.PENDING, queued_at__lt=long_ago)
    runs = StudyArtefact.objects.filter(status=Status.RUNNING, alive_at__gte=long_ago)
    return waits.exists() and not runs.exists()


def _live(job: StudyArtefact, name: str, words, *, is_running: bool = False):
    markup = '<span class="study-job" data-live="{}-{}" data-running>{}</span>'
    if not is_running:
        markup = markup.replace(" data-running", "")
    return format_html(markup, job.pk, name, words)
