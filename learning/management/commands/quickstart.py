"""`manage.py quickstart`: a site of one's own within the hour, each answer tested at once."""

import sys

from django.core.management.base import BaseCommand, CommandError

from learning.quickstart.console import Console
from learning.quickstart.setting_up import NotDone, SettingUp


class Command(BaseCommand):
    help = (
        "Set the site up: asks for model, Langfuse, address, mail and administrator, tests each "
        "at once, and writes .env (the file ENV_FILE names)."
    )
    stealth_options = ("stdin",)
    # A site whose settings are not right yet is what this is for.
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument(
            "--no-input", action="store_true", help="ask nothing; what is not named stays as it is"
        )
        parser.add_argument(
            "--anyway", action="store_true", help="with --no-input: keep what fails its test"
        )
        model = parser.add_argument_group("chat model")
        model.add_argument("--chat-model", choices=("built-in", "openai", "server"))
        model.add_argument("--base-url", help="of an OpenAI-compatible server")
        model.add_argument("--api-key", help="better in the environment: OPENAI_API_KEY")
        model.add_argument("--model", help="its name")
        langfuse = parser.add_argument_group("Langfuse")
        langfuse.add_argument("--langfuse-host", help="its address, or none")
        langfuse.add_argument("--langfuse-public-key")
        langfuse.add_argument("--langfuse-secret-key")
        admin = parser.add_argument_group("administrator")
        admin.add_argument("--admin-username", help="unset: nobody is added")
        admin.add_argument("--admin-email")
        admin.add_argument(
            "--admin-password", help="better in the environment: DJANGO_SUPERUSER_PASSWORD"
        )
        mail = parser.add_argument_group("mail")
        mail.add_argument("--email-url", help="smtp+tls://user:password@host:587, or none")
        mail.add_argument("--email-from", help="the address that mail comes from")
        parser.add_argument("--site-address", help="such as https://tutor.example, or local")

    def handle(self, *, no_input, anyway, **options):
        console = Console(options.get("stdin") or sys.stdin, self.stdout, self.style)
        setting_up = SettingUp(console, options, is_asked=not no_input, keeps_all=anyway)
        try:
            setting_up.run()
        except NotDone as reason:
            raise CommandError(str(reason), returncode=reason.status) from None
