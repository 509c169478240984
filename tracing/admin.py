"""Traces in the admin: a list to find trouble in, and a page that shows one trace whole."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.module_loading import import_string
from django.utils.text import Truncator
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from tracing import conf, links, trace_page
from tracing.models import ExportState, ScoreRecord, TraceRecord
from tracing.templatetags.tracing import seconds

AdminBase: type[admin.ModelAdmin] = import_string(conf.get("ADMIN_BASE"))


@admin.register(TraceRecord)
class TraceAdmin(AdminBase):
    list_display = (
        "when",
        "name",
        "outcome",
        "who",
        "model",
        "tokens",
        "first_token",
        "duration",
        "export",
    )
    list_display_links = ("when", "name")
    list_filter = ("status", "name", "export_state", "model", "started_at")
    search_fields = ("=id", "=user_id", "=session_id", "=request_id")
    search_help_text = _("A whole id: of a trace, a user, a conversation or a request.")
    ordering = ("-started_at",)
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request):
        # The list shows none of the content, and content is what makes a row large.
        return super().get_queryset(request).defer("input", "output", "metadata", "tags")

    def get_object(self, request, object_id, from_field=None):
        # The page shows all of it: one query, not one more for each deferred field.
        return self.get_queryset(request).defer(None).filter(pk=object_id).first()

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """Show one trace. Three queries, whatever its size; no network."""
        trace = self.get_object(request, object_id)
        if trace is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, trace):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": trace.name,
            "trace": trace,
            "steps": trace_page.steps(trace),
            "trace_input": trace_page.readable(trace.input),
            "trace_output": trace_page.readable(trace.output),
            "trace_metadata": trace_page.readable(trace.metadata),
            "scores": ScoreRecord.objects.filter(trace_id=trace.pk),
            "langfuse_url": links.langfuse_url(trace.pk),
            "session_url": links.session_url(trace.session_id),
            "is_popup": False,
        }
        return TemplateResponse(request, "tracing/trace_page.html", context)

    @admin.display(description=_("started"), ordering="started_at")
    def when(self, trace):
        return date_format(localtime(trace.started_at), "Y-m-d H:i:s")

    @admin.display(description=_("status"), ordering="status")
    def outcome(self, trace):
        return format_html(
            '<span class="trace-status trace-{}">{}</span>',
            trace.status,
            trace.get_status_display(),
        )

    @admin.display(description=_("tokens"), ordering="total_tokens")
    def tokens(self, trace):
        if trace.total_tokens is None:
            return "–"
        mark = "≈" if trace.usage_is_estimate else ""
        return f"{mark}{trace.total_tokens:,}"

    @admin.display(description=_("first token"), ordering="first_token_ms")
    def first_token(self, trace):
        return seconds(trace.first_token_ms)

    @admin.display(description=_("duration"), ordering="duration_ms")
    def duration(self, trace):
        return seconds(trace.duration_ms)

    @admin.display(description=_("user"), ordering="user_id")
    def who(self, trace):
        return Truncator(trace.user_id).chars(12) or "–"

    @admin.display(description=_("export"), ordering="export_state")
    def export(self, trace):
        url = links.langfuse_url(trace.pk)
        if not url or trace.export_state != ExportState.CONFIRMED:
            return trace.get_export_state_display()
        return format_html('<a href="{}" target="_blank" rel="noopener">Langfuse ↗</a>', url)

    class Media:
        css = {"all": ["tracing/trace.css"]}


@admin.register(ScoreRecord)
class ScoreAdmin(AdminBase):
    list_display = ("name", "value", "trace_id", "comment", "updated_at", "export_state")
    list_filter = ("name", "export_state")
    search_fields = ("=trace_id",)
    show_full_result_count = False

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False
