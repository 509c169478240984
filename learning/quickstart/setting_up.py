"""Ask, test, agree, write: the whole of the quickstart, with a person or without one."""

import os
from collections.abc import Mapping

from django.db import transaction

from learning.models import User
from learning.quickstart.console import AnswersEnded, Console
from learning.quickstart.database import Database
from learning.quickstart.env_file import EnvFile, EnvFileError
from learning.quickstart.mail_step import MailStep
from learning.quickstart.site_steps import AccountStep, AddressStep
from learning.quickstart.steps import AnswerRefused, ChatModelStep, LangfuseStep, Step, Values


class NotDone(Exception):
    """Why the site was not set up, in words for the administrator; `status` is the exit code."""

    def __init__(self, words: str, *, status: int = 1):
        super().__init__(words)
        self.status = status


class SettingUp:
    """`options` are the command's; without a person to ask, they are all there is."""

    def __init__(
        self,
        console: Console,
        options: Mapping[str, str | None],
        *,
        is_asked: bool,
        keeps_all: bool,
    ):
        self.console = console
        self.options = options
        self.is_asked = is_asked
        self.keeps_all = keeps_all  # what fails its test too, where nobody is asked
        self.database = Database()

    def run(self) -> None:
        """Set the site up; raises NotDone, and then nothing was changed."""
        try:
            self._run()
        except KeyboardInterrupt:
            raise NotDone(f"Ended. {self._as_it_was()}", status=130) from None
        except AnswersEnded:
            raise NotDone(
                f"The answers ended before the questions did. {self._as_it_was()} "
                "Without a person to ask: --no-input, with options."
            ) from None
        except (NotDone, EnvFileError, AnswerRefused) as error:
            words = self.console.without_secrets(str(error))
            raise NotDone(f"{words} {self._as_it_was()}") from None

    def _as_it_was(self) -> str:
        exception = self.database.forget()
        return f"Nothing was changed, {exception}." if exception else "Nothing was changed."

    def _run(self):
        env_file = EnvFile()
        self._hide_secrets(env_file)
        if self.is_asked:
            self.console.say(
                "A few questions. Enter takes what stands in [brackets]; Ctrl-C ends it and "
                f"leaves everything as it was.\nThe answers go into {env_file.path}"
            )
        self._prepare_database()
        wanted: Values = {}
        for step in (ChatModelStep, LangfuseStep, AddressStep, MailStep):
            wanted |= self._settled(step(env_file.value))
        account = self._settled(AccountStep(env_file.value))
        key_before = env_file.value("LANGFUSE_PUBLIC_KEY")
        if wanted.get("LANGFUSE_PUBLIC_KEY", key_before) != key_before:
            wanted["LANGFUSE_PROJECT_ID"] = ""  # of the keys that were
        changes = env_file.changes(wanted)
        self._agree(env_file, changes, account)
        self._write(env_file, changes, account)
        self._say_what_next(env_file, changes, wanted)

    def _hide_secrets(self, env_file: EnvFile) -> None:
        for name in ("OPENAI_API_KEY", "LANGFUSE_SECRET_KEY", "FALLBACK_API_KEY"):
            self.console.hide(env_file.value(name))
        for name in ("api_key", "langfuse_secret_key", "admin_password"):
            self.console.hide(self.options[name] or "")
        for name, option in (("OPENAI_BASE_URL", "base_url"), ("EMAIL_URL", "email_url")):
            self.console.hide_password_of(env_file.value(name))
            self.console.hide_password_of(self.options[option] or "")

    def _prepare_database(self):
        self._title("The database")
        while True:
            finding, waiting = self.database.examine()
            self.console.show(finding)
            if finding.ok and waiting:
                if self.is_asked and not self.console.ask_whether(
                    "Bring its tables up to date now?", default=True
                ):
                    raise NotDone("The site cannot run before its tables are up to date.")
                finding = self.database.migrate()
                self.console.show(finding)
            if finding.ok:
                return
            if not self.is_asked or not self.console.ask_whether("Try again?", default=True):
                raise NotDone(f"{finding.check}: {finding.message}. {finding.advice}")

    def _settled(self, step: Step) -> Values:
        """The answer of a step that has passed its test, or is kept all the same."""
        self._title(step.title)
        while True:
            values = step.ask(self.console) if self.is_asked else self._from_options(step)
            if not self.is_asked and not values:
                self.console.say("stays as it is")
                return {}
            failed = []
            for finding in step.examine(values):
                self.console.show(finding)
                failed += [] if finding.ok else [finding]
            if not failed:
                return values
            if not self.is_asked:
                if self.keeps_all:
                    return values
                reason = f"{failed[0].check}: {failed[0].message}. {failed[0].advice}"
                raise NotDone(f"{reason} (--anyway keeps it all the same.)")
            if self.console.keeps():
                return values

    def _from_options(self, step: Step) -> Values:
        options = dict(self.options)
        if not options["admin_password"] and options["admin_username"]:
            options["admin_password"] = os.environ.get("DJANGO_SUPERUSER_PASSWORD", "")
            self.console.hide(options["admin_password"])
        return step.take(options)

    def _agree(self, env_file, changes, account):
        self._title("What will change")
        for change in changes:
            self.console.say(f"  {change}")
        if not changes:
            self.console.say(f"  nothing in {env_file.path}")
        if account:
            self.console.say(f"  a new administrator: {account['username']}")
        if not (changes or account):
            return
        if self.is_asked and not self.console.ask_whether("Write it?", default=True):
            raise NotDone("As you wish.")

    def _write(self, env_file, changes, account):
        # Both or neither.
        with transaction.atomic():
            if account:
                User.objects.create_superuser(**account)
            if changes:
                env_file.write(changes)

    def _say_what_next(self, env_file, changes, wanted):
        self.database.is_new = False  # it is used from now on
        if changes:
            done = f"Written to {env_file.path}, readable by you alone."
            self.console.say(self.console.style.SUCCESS(done))
        for name in env_file.overruled(changes):
            self.console.say(
                self.console.style.WARNING(
                    f"{name} is set in the environment too, which goes before the file: unset it "
                    "there."
                )
            )
        if env_file.is_outside("DATABASE_URL"):
            self.console.say("The site needs DATABASE_URL in its environment, as it is set here.")
        if not User.objects.filter(is_superuser=True).exists():
            self.console.say("Nobody can open /admin/ yet: manage.py createsuperuser")
        is_public = bool(wanted.get("DJANGO_ALLOWED_HOSTS", env_file.value("DJANGO_ALLOWED_HOSTS")))
        if is_public:
            self.console.say(
                "Next: manage.py serve, behind the proxy of that address (docs/operations.md); "
                "a site that runs already is to be started anew."
            )
        else:
            self.console.say("Next: make run, then open http://127.0.0.1:8000/admin/")

    def _title(self, words: str):
        self.console.say(f"\n{self.console.style.MIGRATE_HEADING(words)}")
