"""The filters of the trace list, each bounded whatever the number of traces.

Their parameters are what Django's own would be called (`status__exact=error`), so that links to a
filtered list can be written by hand.
"""

from datetime import date, datetime, time, timedelta

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import Model
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from tracing import conf
from tracing.models import ExportState, ObservationRecord, Outcome, ScoreRecord

# A list holds this many rows at most: nothing counts or sorts more.
MOST_LISTED = 5_000
MOST_CHOICES = 50


def distinct_values(model: type[Model], field: str, using: str = "default") -> list[str]:
    """Return the values of an indexed text field in order, at most MOST_CHOICES, without "".

    A loose index scan: each step asks the index for the next greater value, so that it costs as
    many look-ups as there are values, not rows. SELECT DISTINCT would read all rows.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    column, table = quote(model._meta.get_field(field).column), quote(model._meta.db_table)
    next_value = f"SELECT MIN({column}) FROM {table} WHERE {column} >"  # noqa: S608  names of ours
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE found(value) AS ({next_value} '' UNION ALL"  # noqa: S608
            f" SELECT ({next_value} found.value) FROM found WHERE found.value IS NOT NULL)"
            f" SELECT value FROM found WHERE value IS NOT NULL LIMIT {MOST_CHOICES}"
        )
        return [value for (value,) in cursor.fetchall()]


class ExactFilter(admin.SimpleListFilter):
    """Rows whose `field` is exactly one value."""

    field: str

    def queryset(self, request, queryset):
        value = self.value()
        return queryset if value is None else queryset.filter(**{self.field: value})


class ValueFilter(ExactFilter):
    """The same for a field without choices: what is there is offered."""

    def lookups(self, request, model_admin):
        found = distinct_values(model_admin.model, self.field)
        # A filter without choices would be left out, and what it was asked for forgotten.
        if (value := self.value()) is not None and value not in found:
            found.append(value)
        return [(value, value or "–") for value in found]


class StatusFilter(ExactFilter):
    title, field, parameter_name = _("status"), "status", "status__exact"

    def lookups(self, request, model_admin):
        return Outcome.choices


class ExportFilter(ExactFilter):
    title, field, parameter_name = _("export"), "export_state", "export_state__exact"

    def lookups(self, request, model_admin):
        return ExportState.choices


class NameFilter(ValueFilter):
    title, field, parameter_name = _("name"), "name", "name__exact"


class ModelFilter(ValueFilter):
    title, field, parameter_name = _("model"), "model", "model__exact"


class ErrorFilter(ValueFilter):
    title, field, parameter_name = _("kind of error"), "error_type", "error_type__exact"


class GroupFilter(ValueFilter):
    title, field, parameter_name = "", "group", "group__exact"

    def __init__(self, *args):
        self.title = conf.get("GROUP_LABEL")
        super().__init__(*args)


class WhenFilter(admin.SimpleListFilter):
    """The last hour … month, one day (`when=2026-11-22`), or what a link says by its bounds."""

    title, parameter_name = _("time"), "when"
    bounds = ("started_at__gte", "started_at__lt")

    def __init__(self, request, params, model, model_admin):
        super().__init__(request, params, model, model_admin)
        self.given = {bound: params.pop(bound)[-1] for bound in self.bounds if bound in params}

    def expected_parameters(self):
        return [self.parameter_name, *self.bounds]

    def choices(self, changelist):
        # A time takes the place of the one that was chosen, in whichever form that was.
        every = changelist.get_query_string(remove=self.expected_parameters())
        yield {
            "selected": self.value() is None and not self.given,
            "query_string": every,
            "display": _("All"),
        }
        if self.given:
            shown = " – ".join(text[:16].replace("T", " ") for text in self.given.values())
            yield {"selected": True, "query_string": "", "display": shown}
        for value, title in self.lookup_choices:
            yield {
                "selected": self.value() == value,
                "query_string": f"{every}&{urlencode({self.parameter_name: value})}",
                "display": title,
            }

    def lookups(self, request, model_admin):
        today = timezone.localdate()
        yield "hour", _("the last hour")
        yield "today", _("today")
        if day := self.day():
            # From one day to those beside it: so every day is reached.
            for other in (day + timedelta(days=1), day, day - timedelta(days=1)):
                if other < today:
                    yield other.isoformat(), date_format(other, "Y-m-d")
        else:
            yield (today - timedelta(days=1)).isoformat(), _("yesterday")
        yield "week", _("the last 7 days")
        yield "month", _("the last 30 days")

    def day(self) -> date | None:
        try:
            day = date.fromisoformat(self.value() or "")
        except ValueError:
            return None
        return day if 2000 <= day.year <= 2100 else None

    def queryset(self, request, queryset):
        value, now = self.value(), timezone.now()
        try:
            queryset = queryset.filter(**self.given)
        except (ValidationError, ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error
        if value is None:
            return queryset
        if day := self.day():
            return queryset.filter(
                started_at__gte=_midnight(day), started_at__lt=_midnight(day + timedelta(days=1))
            )
        since = {
            "hour": now - timedelta(hours=1),
            "today": _midnight(timezone.localdate()),
            "week": now - timedelta(days=7),
            "month": now - timedelta(days=30),
        }
        if value not in since:
            raise IncorrectLookupParameters(f"no such time: {value}")
        return queryset.filter(started_at__gte=since[value])


class ThumbFilter(admin.SimpleListFilter):
    """Traces that people judged, by the newest judgements: as many as a list shows, and one."""

    title, parameter_name = _("feedback"), "thumb"

    def lookups(self, request, model_admin):
        return [("any", _("has feedback")), ("up", _("thumb up")), ("down", _("thumb down"))]

    def queryset(self, request, queryset):
        value = self.value()
        if value is None:
            return queryset
        values = {"any": {"value__isnull": False}, "up": {"value": 1}, "down": {"value": 0}}
        if value not in values:
            raise IncorrectLookupParameters(f"no such thumb: {value}")
        judged = ScoreRecord.objects.filter(name=conf.get("FEEDBACK_SCORE"), **values[value])
        newest = judged.order_by("-updated_at").values("trace_id")[: MOST_LISTED + 1]
        return queryset.filter(pk__in=newest)


class WarningFilter(admin.SimpleListFilter):
    """Traces with a step that ended with a warning, by the newest warnings: as many as a list
    shows, and one.
    """

    title, parameter_name = _("step with a warning"), "warned"
    ANY = "*"

    def lookups(self, request, model_admin):
        newest = _warned().values_list("name")[: MOST_LISTED + 1]
        names = {name for (name,) in newest} | {self.value() or self.ANY}
        return [(self.ANY, _("any step")), *((name, name) for name in sorted(names - {self.ANY}))]

    def queryset(self, request, queryset):
        name = self.value()
        if name is None:
            return queryset
        steps = _warned() if name == self.ANY else _warned().filter(name=name)
        return queryset.filter(pk__in=steps.values("trace_id")[: MOST_LISTED + 1])


def _warned():
    return ObservationRecord.objects.filter(status=Outcome.WARNING).order_by("-started_at")


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
