"""The admin of background jobs: looked at and steered, never written.

What shows how far a job is carries `data-live`: study_jobs.js keeps it up to date.
"""

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import Script
from django.http import HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from learning import jobs
from learning.links import trace_links
from learning.models import Job


class SteersJobs:
    """For the admin of a kind of jobs: try again, cancel, and the columns that all have."""

    list_before_template = "admin/learning/job_worker.html"
    change_form_outer_before_template = "admin/learning/job_actions.html"

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
                    name=self._named(name),
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
        is_alone = obj is not None and here.startswith(self._named(""))
        return super().has_delete_permission(request, obj) and (not is_alone or obj.is_over)

    def changelist_view(self, request, extra_context=None):
        extra = {**(extra_context or {}), "waits_in_vain": jobs.is_nobody_working()}
        return super().changelist_view(request, extra)

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        steers = {
            "may_steer": self._may_steer(request),
            "waits_in_vain": jobs.is_nobody_working(),
        }
        if object_id:
            steers |= {
                f"{name}_url": reverse(f"admin:{self._named(name)}", args=[object_id])
                for name in ("retry", "cancel")
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
        return self._steer(request, job_id, jobs.cancel, self._cancelled, _("It is over already."))

    def _steer(self, request, job_id, does, done, not_done: str):
        """Do it, and say `done(job)` of the job as it is then."""
        if not self._may_steer(request):
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
        return HttpResponseRedirect(reverse(f"admin:{self._named('change')}", args=[job_id]))

    def _cancelled(self, job: Job) -> str:
        is_over = self.model.objects.filter(pk=job.pk, status=Job.Status.CANCELLED).exists()
        return _("Cancelled.") if is_over else _("It ends within seconds.")

    def _may_steer(self, request) -> bool:
        return request.user.has_perm(f"learning.change_{self.opts.model_name}")

    def _named(self, name: str) -> str:
        return f"learning_{self.opts.model_name}_{name}"

    @admin.display(description=gettext_lazy("seconds"))
    def seconds(self, job):
        if job.started_at is None or job.status == Job.Status.PENDING:
            return live(job, "seconds", "–")
        took = (job.finished_at or timezone.now()) - job.started_at
        return live(job, "seconds", f"{took.total_seconds():.0f}")

    @admin.display(description=gettext_lazy("what went wrong"))
    def error(self, job):
        words = format_html("{}<br><code>{}</code>", job.message_shown, job.detail)
        return live(job, "error", words if job.detail else job.message_shown or "–")

    @admin.display(description=gettext_lazy("trace"))
    def trace(self, job):
        return live(job, "trace", trace_links(job.trace_id))


def state_of(job: Job, done: int, total: int, running: str):
    """Return the words for how far a job is, with a bar while it runs; `running` says it."""
    words = job.get_status_display()
    bar = ""
    if job.status == Job.Status.RUNNING:
        if job.is_cancel_wanted:
            words = _("is being cancelled")
        elif total:
            words = running
        progress = format_html('value="{}" max="{}"', done, total) if total else ""
        bar = format_html(' <progress {} aria-label="{}"></progress>', progress, words)
    elif job.message:
        words = _("%(status)s: %(why)s") % {"status": words, "why": job.message_shown}
    return live(job, "state", format_html("{}{}", words, bar), is_running=not job.is_over)


def live(job: Job, name: str, words, *, is_running: bool = False):
    """Mark what the page keeps up to date while a job runs."""
    markup = '<span class="study-job" data-live="{}-{}" data-running>{}</span>'
    if not is_running:
        markup = markup.replace(" data-running", "")
    return format_html(markup, job.pk, name, words)
