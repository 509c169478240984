"""The list of traces: never counts, sorts or reads more than its newest five thousand rows."""

from collections import defaultdict

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.utils.functional import cached_property

from tracing.models import ScoreRecord
from tracing.trace_filters import MOST_LISTED


class BoundedPaginator(Paginator):
    """Counts up to MOST_LISTED; `is_cut` says whether there are more."""

    @cached_property
    def _counted(self) -> int:
        # The time stands in every index of these models: counting need not look at the rows.
        rows = getattr(self.object_list, "counted_as", self.object_list)
        time = rows.model._meta.ordering[0].removeprefix("-")
        return rows.order_by().values(time)[: MOST_LISTED + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST_LISTED)

    @property
    def is_cut(self) -> bool:
        return self._counted > MOST_LISTED


class BoundedList(ChangeList):
    """Sorts by the column whose index there is; by another, only the newest MOST_LISTED rows."""

    newest_first: tuple[str, ...]

    def get_queryset(self, request, exclude_parameters=None):
        rows = super().get_queryset(request, exclude_parameters)
        ordering = rows.query.order_by
        if ordering and str(ordering[0]).lstrip("-") == self.newest_first[0].lstrip("-"):
            return rows
        newest = rows.order_by(*self.newest_first).values("pk")[:MOST_LISTED]
        listed = self.root_queryset.filter(pk__in=newest).order_by(*ordering)
        listed.counted_as = rows  # as many, up to MOST_LISTED, and counted much faster
        return listed

    def get_results(self, request):
        super().get_results(request)
        self.is_cut = self.paginator.is_cut
        self.most_listed = f"{MOST_LISTED:,}"
        # Some themes print both counts where they differ; the full one is never made.
        self.full_result_count = self.result_count


class ScoreList(BoundedList):
    newest_first = ("-updated_at", "-pk")


class TraceList(BoundedList):
    newest_first = ("-started_at", "-pk")

    def get_results(self, request):
        super().get_results(request)
        shown = [trace.pk for trace in self.result_list]
        judgements = ScoreRecord.objects.filter(trace_id__in=shown, value__isnull=False)
        scores = defaultdict(list)
        for score in judgements.only("trace_id", "name", "value").order_by("name"):
            scores[score.trace_id].append(score)
        for trace in self.result_list:
            trace.scores = scores[trace.pk]
