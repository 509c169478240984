"""The questions of the quickstart on the site itself: its address, and its administrator."""

import socket
from urllib.parse import urlsplit

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from learning.models import User
from learning.quickstart.console import Console
from learning.quickstart.steps import AnswerRefused, Step, Values, problem_of_url
from tracing.doctor import Finding


class AddressStep(Step):
    title = "The address of the site"
    NAMES = ("DJANGO_ALLOWED_HOSTS", "DJANGO_CSRF_TRUSTED_ORIGINS")

    def ask(self, console: Console) -> Values:
        hosts, origins = map(self.now, self.NAMES)
        console.say(
            "What people type to reach it, such as https://tutor.example; "
            "“local” is for this machine alone."
        )
        present = origins or hosts or "local"
        answer = console.ask(
            "Address", present, problem_of=lambda each: self._problem(each, present)
        )
        return {} if answer == present else self._values(answer)

    def take(self, options):
        address = options["site_address"]
        if address is None:
            return {}
        if problem := self._problem(address):
            raise AnswerRefused(f"--site-address: {problem}")
        return self._values(address)

    @staticmethod
    def _problem(address: str, present: str = "local") -> str:
        if address in ("local", present):
            return ""
        if problem := problem_of_url(address, example="https://tutor.example"):
            return problem
        parts = urlsplit(address)
        if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
            return "Give scheme and name alone, such as https://tutor.example."
        try:
            _ascii_host(parts.hostname)
        except UnicodeError:
            return "That is no name of a host."
        return ""

    def _values(self, address: str) -> Values:
        if address == "local":
            return dict.fromkeys(self.NAMES, "")
        parts = urlsplit(address)
        host = _ascii_host(parts.hostname)
        port = f":{parts.port}" if parts.port else ""
        # Errors with their code, and users whose passwords everybody knows, are for trying out.
        return {
            **dict(zip(self.NAMES, (host, f"{parts.scheme}://{host}{port}"), strict=True)),
            "DJANGO_DEBUG": "0",
        }

    def examine(self, values):
        host = values.get(self.NAMES[0])
        if not host:
            yield Finding("address", True, "as it was" if not values else "this machine alone")
            return
        try:
            socket.getaddrinfo(host.strip("[]"), None)
        except OSError:
            advice = "Is it written right? Has it an entry in the DNS, or in /etc/hosts?"
            yield Finding("address", False, f"nobody knows the name {host} here", advice)
        else:
            yield Finding("address", True, f"{host} is known")


class AccountStep(Step):
    """An administrator: their values are no variables, and none of the file's."""

    title = "The administrator"
    NAMES = ("username", "email", "password")

    def ask(self, console: Console) -> Values:
        there = list(User.objects.filter(is_superuser=True).values_list("username", flat=True)[:5])
        if there:
            console.say(f"There is one already: {', '.join(there)}.")
            if not console.ask_whether("Make another one?", default=False):
                return {}
        username = console.ask("Username", "admin", problem_of=_problem_of_username)
        email = console.ask("E-mail (may be empty)", problem_of=problem_of_email)
        while True:
            password = console.ask_hidden("Password (is not shown)")
            if not password:
                console.say(console.style.ERROR("It may not be empty."))
            elif console.ask_hidden("The same again") == password:
                return {"username": username, "email": email, "password": password}
            else:
                console.say(console.style.ERROR("The two differ."))

    def take(self, options):
        username, email, password = (options[f"admin_{name}"] for name in self.NAMES)
        if username is None:
            if email or password:
                raise AnswerRefused("An administrator needs --admin-username.")
            return {}
        if not password:
            raise AnswerRefused(
                "An administrator needs a password: --admin-password, or better "
                "DJANGO_SUPERUSER_PASSWORD in the environment, which no list of processes shows."
            )
        email = email or ""
        if problem := _problem_of_username(username) or problem_of_email(email):
            raise AnswerRefused(problem)
        return {"username": username, "email": email, "password": password}

    def examine(self, values):
        if not values:
            yield Finding("administrator", True, "nobody is added")
            return
        user = User(username=values["username"], email=values["email"])
        try:
            validate_password(values["password"], user)
        except ValidationError as error:
            advice = "Take another one: whoever guesses it reads what all students wrote."
            yield Finding("password", False, " ".join(error.messages), advice)
        else:
            yield Finding("administrator", True, f"{user.username} can be made")


def _problem_of_username(name: str) -> str:
    try:
        User._meta.get_field("username").clean(name, None)
    except ValidationError as error:
        return " ".join(error.messages)
    if User.objects.filter(username__iexact=name).exists():
        return f"There is a user {name} already; take another name."
    return ""


def problem_of_email(address: str) -> str:
    try:
        if address:
            validate_email(address)
    except ValidationError as error:
        return " ".join(error.messages)
    return ""


def _ascii_host(host: str) -> str:
    """As browsers send it: 课程.example is xn--… to a server."""
    if ":" in host:
        return f"[{host}]"
    return host if host.isascii() else host.encode("idna").decode()
