"""The questions of the quickstart on other servers, each with the test of its answer.

A step is asked on a console, or filled from options; `examine` tests what came out. An answer is
a set of variables of the `.env` file; an empty value unsets one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from django.conf import settings

from learning.quickstart import model_test
from learning.quickstart.console import Console
from learning.quickstart.model_test import Server
from tracing import doctor, outbox
from tracing.doctor import Finding

Values = dict[str, str]
MOST_MODELS_SHOWN = 30
EXPORTER = "tracing.exporters.langfuse.LangfuseExporter"
KEEP = "Enter keeps the present one"


class AnswerRefused(Exception):
    """An answer that cannot be used at all, whatever a test would say."""


class Step(ABC):
    """`now` tells what counts at present; `None` as an option: it was not given."""

    title: str

    def __init__(self, now: Callable[[str], str]):
        self.now = now

    @abstractmethod
    def ask(self, console: Console) -> Values: ...

    @abstractmethod
    def take(self, options: Mapping[str, str | None]) -> Values:
        """The same from options; raises AnswerRefused."""

    @abstractmethod
    def examine(self, values: Values) -> Iterator[Finding]: ...


class ChatModelStep(Step):
    title = "The chat model"
    NAMES = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "CHAT_MODEL")
    is_kept = False  # though its server could not be asked for its models

    def ask(self, console: Console) -> Values:
        base_url, key, model = map(self.now, self.NAMES)
        kind = console.choose(
            "Which model answers students?",
            (
                "the built-in tutor: quotes the course; needs no key and no network",
                "OpenAI",
                "another server of the same protocol (vLLM, Ollama, DeepSeek, a gateway …)",
            ),
            default=3 if base_url else 2 if key else 1,
        )
        if kind == 1:
            return dict.fromkeys(self.NAMES, "")
        is_as_before = bool(key)
        if kind == 2:
            is_as_before = is_as_before and not base_url
            base_url = ""
        else:
            before = base_url
            base_url = console.ask(
                "Base URL, such as http://localhost:8001/v1", before, problem_of=problem_of_url
            ).rstrip("/")
            console.hide_password_of(base_url)
            # A key goes with its address only.
            is_as_before = is_as_before and before == base_url
        key = _ask_key(console, key if is_as_before else "", is_needed=kind == 2)
        offered = model_test.models_of(Server(base_url, key))
        self.is_kept = isinstance(offered, Finding)
        if isinstance(offered, Finding):
            console.show(offered)
            if not console.keeps():
                return self.ask(console)
            offered = []
        model = self._ask_model(console, offered, model)
        return {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": key, "CHAT_MODEL": model}

    def _ask_model(self, console: Console, names: list[str], model: str) -> str:
        shown = names[:MOST_MODELS_SHOWN]
        for number, name in enumerate(shown, start=1):
            console.say(f"  {number}  {name}")
        if len(names) > len(shown):
            console.say(f"  … and {len(names) - len(shown)} more")
        usual = model or ("gpt-4o-mini" if "gpt-4o-mini" in names or not names else names[0])
        question = "Model: its number or name" if shown else "Name of the model"
        answer = console.ask(question, usual, problem_of=problem_of_word)
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(shown):
            return shown[int(answer) - 1]
        return answer

    def take(self, options):
        base_url, key, model = options["base_url"], options["api_key"], options["model"]
        kind = options["chat_model"]
        if kind is None and base_url is None and key is None and model is None:
            return {}
        if kind == "built-in":
            return dict.fromkeys(self.NAMES, "")
        before = self.now("OPENAI_BASE_URL")
        if kind == "openai":
            if base_url:
                raise AnswerRefused("--base-url is for --chat-model server; OpenAI has its own.")
            base_url = ""
        elif base_url is None:
            base_url = before
            if kind == "server" and not base_url:
                raise AnswerRefused("--chat-model server needs --base-url.")
        if problem := base_url and problem_of_url(base_url):
            raise AnswerRefused(f"--base-url: {problem}")
        base_url = base_url.rstrip("/")
        if key is None:
            key = self.now("OPENAI_API_KEY") if before == base_url else ""
        if not key and not base_url:
            raise AnswerRefused("OpenAI needs --api-key.")
        if problem := key and problem_of_word(key):
            raise AnswerRefused(f"--api-key: {problem}")
        model = model if model is not None else self.now("CHAT_MODEL")
        return {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": key, "CHAT_MODEL": model}

    def examine(self, values):
        if not values.get("OPENAI_BASE_URL") and not values.get("OPENAI_API_KEY"):
            yield Finding("chat model", True, "the built-in tutor needs nothing")
            return
        if self.is_kept:
            return
        server = Server(values["OPENAI_BASE_URL"], values["OPENAI_API_KEY"])
        yield model_test.answers(server, values["CHAT_MODEL"] or "gpt-4o-mini")


class LangfuseStep(Step):
    title = "Langfuse"
    NAMES = doctor.SETTINGS

    def ask(self, console: Console) -> Values:
        host, public_key, secret_key = map(self.now, self.NAMES)
        console.say("Traces are kept here in any case; Langfuse gets a copy.")
        if not console.ask_whether("Send traces to a Langfuse server too?", default=bool(host)):
            return dict.fromkeys(self.NAMES, "")
        before = host
        host = console.ask(
            "Its address, such as https://langfuse.example", before, problem_of=problem_of_url
        ).rstrip("/")
        if host != before:
            public_key = secret_key = ""
        public_key = console.ask("Public key (pk-lf-…)", public_key, problem_of=problem_of_word)
        secret_key = _ask_key(console, secret_key, is_needed=True, name="Secret key (sk-lf-…)")
        return dict(zip(self.NAMES, (host, public_key, secret_key), strict=True))

    def take(self, options):
        given = [options[name.lower()] for name in self.NAMES]
        if given == [None] * 3:
            return {}
        if given[0] == "none":
            return dict.fromkeys(self.NAMES, "")
        moves = given[0] not in (None, self.now(self.NAMES[0]))
        values = {}
        for name, value in zip(self.NAMES, given, strict=True):
            values[name] = value or ("" if moves else self.now(name))
            if not values[name]:
                raise AnswerRefused(f"Langfuse needs --{name.lower().replace('_', '-')}.")
        values[self.NAMES[0]] = values[self.NAMES[0]].rstrip("/")
        if problem := problem_of_url(values[self.NAMES[0]]):
            raise AnswerRefused(f"--langfuse-host: {problem}")
        for name in self.NAMES[1:]:
            if problem := problem_of_word(values[name]):
                raise AnswerRefused(f"--{name.lower().replace('_', '-')}: {problem}")
        return values

    def examine(self, values):
        """What tracing_doctor finds with these settings, but for the rows that wait."""
        if not values.get(self.NAMES[0]):
            yield Finding("langfuse", True, "traces are kept here only")
            return
        with _tracing_as(**values):
            for finding in doctor.examine():
                if finding.check != "backlog":
                    yield finding


def problem_of_url(value: str, *, example: str = "http://localhost:8001/v1") -> str:
    try:
        parts = urlsplit(value)
        is_url = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_url = False
    if is_url and value.isprintable() and " " not in value:
        return ""
    return f"That is no address; it looks like {example}, with http:// or https://."


def _ask_key(console: Console, before: str, *, is_needed: bool, name: str = "API key") -> str:
    hint = KEEP if before else "is not shown" if is_needed else "is not shown; empty: none"
    while True:
        key = console.ask_hidden(f"{name} ({hint})") or before
        problem = problem_of_word(key) if key or is_needed else ""
        if not problem:
            return key
        console.say(console.style.ERROR(problem))


def problem_of_word(value: str) -> str:
    if value and value.isascii() and value.isprintable() and " " not in value:
        return ""
    return "It is one word of plain letters, digits and signs." if value else "It is needed."


@contextmanager
def _tracing_as(**values: str):
    """Let tracing go by these settings, as if the site had been started with them."""
    before = settings.TRACING
    outbox.stop()
    # Of the project that was: its id would be wrong for other keys.
    settings.TRACING = {**before, **values, "EXPORTER": EXPORTER, "LANGFUSE_PROJECT_ID": ""}
    try:
        yield
    finally:
        outbox.stop()
        settings.TRACING = before
