"""Check the connection to Langfuse, line by line."""

import json
from dataclasses import asdict

from django.core.management.base import BaseCommand

from tracing import doctor


class Command(BaseCommand):
    help = "Check that traces reach Langfuse: each step ok or failed, and what to do."

    def add_arguments(self, parser):
        parser.add_argument("--json", action="store_true", help="print a JSON list instead")

    def handle(self, *, json: bool, **options):
        findings = []
        for finding in doctor.examine():
            findings.append(finding)
            if not json:
                self._print(finding)
        if json:
            self.stdout.write(_as_json(findings))
        if not all(finding.ok for finding in findings):
            raise SystemExit(1)

    def _print(self, finding):
        if finding.ok:
            self.stdout.write(f"{self.style.SUCCESS('ok    ')} {finding.check}: {finding.message}")
        else:
            self.stdout.write(f"{self.style.ERROR('failed')} {finding.check}: {finding.message}")
            self.stdout.write(f"       {finding.advice}")


def _as_json(findings: list[doctor.Finding]) -> str:
    return json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2)
