"""Send traces again that Langfuse does not have, or all of them."""

from datetime import datetime, time

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from tracing import outbox
from tracing.models import ExportState, Outcome, ScoreRecord, TraceRecord


class Command(BaseCommand):
    help = "Send traces to Langfuse that it does not have; again is harmless, it keeps one of each."

    def add_arguments(self, parser):
        parser.add_argument("--all", action="store_true", help="also those Langfuse has confirmed")
        parser.add_argument("--since", help="only from this date or time on: 2026-11-22[T10:00]")

    def handle(self, *, all, since, **options):
        exporter = outbox.get_exporter()
        if exporter is None:
            raise CommandError(
                "No Langfuse is configured: set LANGFUSE_HOST, LANGFUSE_PUBLIC_KEY and "
                "LANGFUSE_SECRET_KEY."
            )
        traces = TraceRecord.objects.exclude(status=Outcome.RUNNING)
        scores = ScoreRecord.objects.all()
        if since:
            moment = _moment(since)
            traces = traces.filter(started_at__gte=moment)
            scores = scores.filter(updated_at__gte=moment)
        if not all:
            traces = traces.exclude(export_state=ExportState.CONFIRMED)
            scores = scores.exclude(export_state=ExportState.CONFIRMED)
        for rows in (traces, scores):
            # What another process is sending at this moment stays its own.
            on_their_way = {"export_state": ExportState.SENT, "export_after__gt": timezone.now()}
            rows.exclude(**on_their_way).put_into_outbox(due_at=timezone.now())
        confirmed = rejected = 0
        try:
            while sent := outbox.send_once(exporter):
                confirmed, rejected = confirmed + sent.confirmed, rejected + sent.rejected
                if sent.error:
                    raise CommandError(
                        f"{confirmed} sent, then Langfuse stopped taking them: {sent.error}\n"
                        "The rest is kept and goes out later; manage.py tracing_doctor says more."
                    )
        finally:
            exporter.close()
        self.stdout.write(self.style.SUCCESS(f"{confirmed} sent, {rejected} refused"))


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
        if moment is None and (day := parse_date(text)):
            moment = datetime.combine(day, time())
    except ValueError:
        moment = None
    if moment is None:
        raise CommandError(f"--since {text!r} is no date: write 2026-11-22 or 2026-11-22T10:00.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
