"""Traces in the admin: a list to find trouble in, and a page that shows one trace whole."""

from functools import reduce
from operator import or_

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q
from django.http import Http404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.functional import lazy
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.module_loading import import_string
from django.utils.text import Truncator
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from tracing import conf, links, trace_page
from tracing.models import ExportState, ScoreRecord, TraceRecord
from tracing.templatetags.tracing import is_thumb, judgement, money, seconds
from tracing.trace_filters import (
    ErrorFilter,
    ExportFilter,
    GroupFilter,
    ModelFilter,
    NameFilter,
    StatusFilter,
    ThumbFilter,
    ValueFilter,
    WarningFilter,
    WhenFilter,
)
from tracing.trace_list import BoundedPaginator, ScoreList, TraceList

AdminBase: type[admin.ModelAdmin] = import_string(conf.get("ADMIN_BASE"))
SCORES_SHOWN = 3


def may_read_content(request) -> bool:
    """Whether this person may see what was asked and answered, and not only that it was."""
    return request.user.has_perm("tracing.read_content")


class Records(AdminBase):
    """Rows that are looked at, found by a whole id, and listed without counting them all."""

    content_fields: tuple[str, ...]  # only for those who may read content
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count everything
    list_per_page = 50

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        # The copy in Langfuse would stay. Traces go by `prune_traces`, or with their conversation.
        return False

    def lookup_allowed(self, lookup, value, request=None):
        # Django allows any lookup of the model's own fields: `input__contains` would tell, by
        # what is listed, what the page does not show.
        allowed = {spec.parameter_name for spec in self.get_list_filter(request)}
        allowed.update(WhenFilter.bounds if WhenFilter in self.list_filter else ())
        return lookup in allowed and "\0" not in str(value)

    def get_search_results(self, request, queryset, search_term):
        """Find rows by a whole id: equal, which indexes serve; Django's `=` is iexact."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if "\0" in term:  # the search form refuses it, the autocomplete view does not
            return queryset.none(), False
        # Asked one by one: with all of them in one OR, whoever has many traces gets them all sorted
        # before the first is shown.
        found = [Q(**{field: term}) for field in self.search_fields]
        found = [one for one in found if self.model.objects.filter(one).exists()]
        return queryset.filter(reduce(or_, found)) if found else queryset.none(), False


@admin.register(TraceRecord)
class TraceAdmin(Records):
    intro = _(
        "Each row is one piece of work, such as an answer; open it for its steps. The score is "
        "what people or checks said of it."
    )
    list_display = (
        "when",
        "name",
        "outcome",
        "who",
        "group_name",
        "model",
        "tokens",
        "price",
        "first_token",
        "duration",
        "judged",
        "export",
    )
    list_display_links = ("when", "name")
    sortable_by = ("when", "tokens", "price", "first_token", "duration")
    list_filter = (
        WhenFilter,
        StatusFilter,
        ErrorFilter,
        WarningFilter,
        NameFilter,
        GroupFilter,
        ModelFilter,
        ThumbFilter,
        ExportFilter,
    )
    search_fields = ("id", "user_id", "session_id", "request_id")
    search_help_text = _("A whole id: of a trace, a user, a conversation or a request.")
    ordering = ("-started_at",)
    # Content is what makes a row large. The page asks for it, where it may be shown.
    content_fields = ("input", "output", "metadata", "status_message", "export_error")

    def get_queryset(self, request):
        return super().get_queryset(request).defer(*self.content_fields, "tags")

    def get_object(self, request, object_id, from_field=None):
        # One query, not one more for each deferred field.
        hidden = () if may_read_content(request) else self.content_fields
        rows = TraceRecord.objects.defer(*hidden)
        return rows.filter(pk=object_id).first() if "\0" not in object_id else None

    def get_changelist(self, request, **kwargs):
        return TraceList

    def get_list_display(self, request):
        return _without_what_is_not_set(super().get_list_display(request))

    def get_list_filter(self, request):
        filters = super().get_list_filter(request)
        return filters if conf.get("GROUP_TAG") else [f for f in filters if f is not GroupFilter]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """Show one trace: a fixed number of queries, whatever its size; no network."""
        trace = self.get_object(request, object_id)
        if trace is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, trace):
            raise PermissionDenied
        try:
            first = max(1, int(request.GET.get("from", 1)))
        except ValueError:
            raise Http404 from None
        may_read = may_read_content(request)
        earlier, later = trace_page.neighbours(trace)
        shows_content = may_read and trace.content_state == "kept"
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": trace,
            "title": trace.name,
            "trace": trace,
            "timeline": trace_page.timeline(trace, first=first, with_content=may_read),
            "may_read": may_read,
            "shows_content": shows_content,
            "trace_input": trace_page.readable(trace.input) if may_read else None,
            "trace_output": trace_page.readable(trace.output) if may_read else None,
            "trace_metadata": trace_page.readable(trace.metadata) if may_read else None,
            "scores": trace_page.scores(trace, with_comment=may_read),
            "earlier": earlier,
            "later": later,
            "langfuse_url": links.langfuse_url(trace.pk),
            "session_url": links.session_url(trace.session_id, request.user),
            "group_label": conf.get("GROUP_LABEL"),
            "is_popup": False,
        }
        return TemplateResponse(request, "tracing/trace_page.html", context)

    @admin.display(description=_("started"), ordering="started_at")
    def when(self, trace):
        return date_format(localtime(trace.started_at), "Y-m-d H:i:s")

    @admin.display(description=_("status"))
    def outcome(self, trace):
        return format_html(
            '<span class="trace-status trace-{}">{}</span>{}',
            trace.status,
            trace.get_status_display(),
            format_html("<br><small>{}</small>", trace.error_type) if trace.error_type else "",
        )

    @admin.display(description=_("user"))
    def who(self, trace):
        if not trace.user_id:
            return "–"
        return format_html(
            '<a href="{}?{}" title="{}">{}</a>',
            reverse("admin:tracing_tracerecord_changelist"),
            urlencode({"q": trace.user_id}),
            trace.user_id,
            Truncator(trace.user_id).chars(9),
        )

    # What people call it is known when the page is made.
    @admin.display(description=lazy(lambda: conf.get("GROUP_LABEL"), str)())
    def group_name(self, trace):
        return trace.group or "–"

    @admin.display(description=_("tokens"), ordering=F("total_tokens").asc(nulls_first=True))
    def tokens(self, trace):
        if trace.total_tokens is None:
            return "–"
        mark = "≈" if trace.usage_is_estimate else ""
        return f"{mark}{trace.total_tokens:,}"

    @admin.display(description=_("cost"), ordering=F("cost").asc(nulls_first=True))
    def price(self, trace):
        return money(trace.cost)

    @admin.display(description=_("first token"), ordering=F("first_token_ms").asc(nulls_first=True))
    def first_token(self, trace):
        return seconds(trace.first_token_ms)

    @admin.display(description=_("duration"), ordering=F("duration_ms").asc(nulls_first=True))
    def duration(self, trace):
        return seconds(trace.duration_ms)

    @admin.display(description=_("score"))
    def judged(self, trace):
        if not trace.scores:
            return "–"
        marks = [(_score_mark(score),) for score in trace.scores[:SCORES_SHOWN]]
        if len(trace.scores) > SCORES_SHOWN:
            marks.append(("…",))
        return format_html_join(" ", "{}", marks)

    @admin.display(description=_("export"))
    def export(self, trace):
        url = links.langfuse_url(trace.pk)
        if url and trace.export_state == ExportState.CONFIRMED:
            return format_html('<a href="{}" target="_blank" rel="noopener">Langfuse ↗</a>', url)
        if trace.export_state == ExportState.REJECTED:
            return format_html(
                '<span class="trace-status trace-error">{}</span>', trace.get_export_state_display()
            )
        return trace.get_export_state_display()

    class Media:
        css = {"all": ["tracing/trace.css"]}


def _score_mark(score: ScoreRecord):
    return judgement(score) if is_thumb(score) else f"{score.name} {judgement(score)}"


def _without_what_is_not_set(columns):
    """Leave out the columns of groups and of the export where a site has none."""
    has = {
        "group_name": conf.get("GROUP_TAG"),
        "export": conf.get("EXPORTER") or conf.get("LANGFUSE_HOST"),
    }
    return [column for column in columns if has.get(column, True)]


class ScoreNameFilter(ValueFilter):
    title, field, parameter_name = _("name"), "name", "name__exact"


@admin.register(ScoreRecord)
class ScoreAdmin(Records):
    intro = _("A score is what a person, by a thumb, or a check, by a number, said of a trace.")
    list_display = ("name", "judged", "comment", "trace", "updated_at", "export")
    sortable_by = ("updated_at",)
    list_filter = (ScoreNameFilter, ExportFilter)
    search_fields = ("trace_id",)
    search_help_text = _("The whole id of a trace.")
    content_fields = ("comment", "export_error")

    def get_changelist(self, request, **kwargs):
        return ScoreList

    def get_list_display(self, request):
        columns = self._readable(request, super().get_list_display(request))
        return _without_what_is_not_set(columns)

    def get_fields(self, request, obj=None):
        return self._readable(request, super().get_fields(request, obj))

    def _readable(self, request, fields):
        if may_read_content(request):
            return fields
        return [field for field in fields if field not in self.content_fields]

    @admin.display(description=_("score"))
    def judged(self, score):
        return "–" if score.value is None else judgement(score)

    @admin.display(description=_("trace"))
    def trace(self, score):
        url = reverse("admin:tracing_tracerecord_change", args=[score.trace_id])
        shown = Truncator(score.trace_id).chars(9)
        return format_html('<a href="{}" title="{}">{}</a>', url, score.trace_id, shown)

    @admin.display(description=_("export"))
    def export(self, score):
        return score.get_export_state_display()

    class Media:
        css = {"all": ["tracing/trace.css"]}
