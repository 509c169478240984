"""Delete old traces here; copies in Langfuse stay."""

from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from tracing import conf
from tracing.models import Outcome, ScoreRecord, TraceRecord


class Command(BaseCommand):
    help = "Delete traces that are older than so many days, unless they still wait to be sent."

    def add_arguments(self, parser):
        parser.add_argument(
            "--days", type=int, help="default: TRACING_RETENTION_DAYS; 0 there keeps all"
        )

    def handle(self, *, days, **options):
        days = conf.get("RETENTION_DAYS") if days is None else days
        if days < 1:
            raise CommandError("Say how many days to keep: --days N with N of 1 or more.")
        oldest = timezone.now() - timedelta(days=days)
        old = TraceRecord.objects.filter(started_at__lt=oldest).exclude(status=Outcome.RUNNING)
        waiting = old.waiting().count()
        gone = old.filter(export_after=None)
        count = gone.count()
        ScoreRecord.objects.filter(trace_id__in=gone.values("pk")).delete()
        gone.delete()
        self.stdout.write(
            self.style.SUCCESS(f"{count} traces deleted, older than {days} days")
            + (f"; {waiting} kept that still wait to be sent" if waiting else "")
        )
