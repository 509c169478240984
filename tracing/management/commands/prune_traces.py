"""Delete old traces here; copies in Langfuse stay."""

from django.core.management.base import BaseCommand, CommandError

from tracing import conf, retention


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
        pruned = retention.prune(days)
        self.stdout.write(
            self.style.SUCCESS(f"{pruned.traces} traces deleted, older than {days} days")
            + (f"; {pruned.waiting} kept that still wait to be sent" if pruned.waiting else "")
        )
