"""The question of the quickstart on mail: the server it is handed in at, tried at once."""

import smtplib
import ssl
from collections.abc import Iterator
from email.utils import parseaddr
from urllib.parse import quote, unquote, urlsplit

from django.core.mail import EmailMessage, get_connection

from learning.quickstart.console import Console
from learning.quickstart.site_steps import problem_of_email
from learning.quickstart.steps import KEEP, AnswerRefused, Step, Values
from tracing.doctor import Finding

PATIENCE_SECONDS = 10
PORTS = {"smtp+tls": 587, "smtps": 465, "smtp": 25}
WAYS = (
    "encrypted, after a plain beginning (STARTTLS, usually port 587)",
    "encrypted from the beginning (TLS, usually port 465)",
    "not encrypted, such as one on this machine (usually port 25)",
)
CHECK = "mail"


class MailStep(Step):
    title = "Mail"
    NAMES = ("EMAIL_URL", "EMAIL_FROM")
    tried_on = ""  # whom a mail is sent to, to try it

    def ask(self, console: Console) -> Values:
        url, sender = map(self.now, self.NAMES)
        console.say("With a mail server, people who forgot their password can set a new one.")
        if not console.ask_whether("Send mail?", default=bool(url)):
            return dict.fromkeys(self.NAMES, "")
        before = urlsplit(url)
        usual = before.netloc.rpartition("@")[2]
        server = console.ask(
            "Its server, such as mail.example or mail.example:587", usual, problem_of=_problem
        )
        schemes = list(PORTS)
        default = schemes.index(before.scheme) + 1 if before.scheme in PORTS else 1
        way = console.choose("How does it take mail?", WAYS, default=default)
        # A password goes with its server only.
        is_as_before = server == usual
        user = unquote(before.username or "") if is_as_before else ""
        user = console.ask("User name there (none: it asks for none)", user or "none")
        who = ""
        if user != "none":
            password = self._ask_password(console, before.password if is_as_before else None)
            who = f"{quote(user, safe='')}:{password}@"
        sender = console.ask(
            "Address that mail comes from",
            sender or (user if "@" in user else ""),
            problem_of=_problem_of_sender,
        )
        self.tried_on = console.ask(
            "Address to send a mail to now, to try it (may be empty)", problem_of=problem_of_email
        )
        return {"EMAIL_URL": f"{schemes[way - 1]}://{who}{server}", "EMAIL_FROM": sender}

    @staticmethod
    def _ask_password(console: Console, before: str | None) -> str:
        """Return it as a part of a URL."""
        hint = KEEP if before else "is not shown"
        while True:
            if answer := console.ask_hidden(f"Password ({hint})"):
                return quote(answer, safe="")
            if before:
                return before
            console.say(console.style.ERROR("It is needed."))

    def take(self, options):
        url, sender = options["email_url"], options["email_from"]
        if url is None and sender is None:
            return {}
        if url == "none":
            return dict.fromkeys(self.NAMES, "")
        url, sender = url or self.now("EMAIL_URL"), sender or self.now("EMAIL_FROM")
        parts = urlsplit(url)
        if parts.scheme not in PORTS or _problem(parts.netloc.rpartition("@")[2]):
            raise AnswerRefused("--email-url: It looks like smtp+tls://user:password@host:587.")
        if problem := _problem_of_sender(sender):
            raise AnswerRefused(f"--email-from: {problem}")
        return {"EMAIL_URL": url, "EMAIL_FROM": sender}

    def examine(self, values) -> Iterator[Finding]:
        if not values.get("EMAIL_URL"):
            yield Finding(CHECK, True, "none is sent")
            return
        parts = urlsplit(values["EMAIL_URL"])
        server = f"{parts.hostname}:{parts.port or PORTS[parts.scheme]}"
        connection = get_connection(
            "django.core.mail.backends.smtp.EmailBackend",
            host=parts.hostname,
            port=parts.port or PORTS[parts.scheme],
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            use_tls=parts.scheme == "smtp+tls",
            use_ssl=parts.scheme == "smtps",
            timeout=PATIENCE_SECONDS,
        )
        try:
            connection.open()
            yield Finding(CHECK, True, f"{server} lets this site in")
            if self.tried_on:
                words = "If you read this, Coursetrace can send mail."
                mail = EmailMessage("Coursetrace", words, values["EMAIL_FROM"], [self.tried_on])
                connection.send_messages([mail])
                yield Finding(CHECK, True, f"a mail to {self.tried_on} is on its way")
        except (OSError, smtplib.SMTPException) as error:
            message, advice = _words(error, server)
            yield Finding(CHECK, False, f"{message} ({error})", advice)
        finally:
            connection.close()


def _problem(server: str) -> str:
    try:
        parts = urlsplit(f"//{server}")
        is_server = parts.hostname and parts.port != 0 and parts.netloc == server
    except ValueError:
        is_server = False
    is_plain = server.isprintable() and " " not in server and "@" not in server
    return "" if is_server and is_plain else "That is no server; it looks like mail.example:587."


def _problem_of_sender(sender: str) -> str:
    address = parseaddr(sender)[1]
    return problem_of_email(address) if address else "It is needed: tutor@example.org."


def _words(error: Exception, server: str) -> tuple[str, str]:
    match error:
        case smtplib.SMTPAuthenticationError():
            return (
                "the server does not accept name and password",
                "Many providers want a password of its own for each program.",
            )
        case smtplib.SMTPSenderRefused() | smtplib.SMTPRecipientsRefused():
            return (
                "the server does not take mail from, or to, this address",
                "Most servers take mail only from addresses of the account that logs in.",
            )
        case ssl.SSLCertVerificationError():
            return (
                "the certificate of the server is not in order",
                "Take the name that the certificate is made out for.",
            )
        case ssl.SSLError() | smtplib.SMTPException():
            return (
                "the server does not take mail in this way",
                "Try the other way of encrypting, with its port.",
            )
        case _:
            return (
                f"the server at {server} cannot be reached",
                "Is it written right, and may this machine reach that port?",
            )
