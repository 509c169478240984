"""Ask and tell, on a terminal or through a pipe; a secret that was typed is never shown."""

import getpass
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from tracing.doctor import Finding

LEAST_SECRET = 6  # a shorter one, such as "x" for a server of one's own, is a word


class AnswersEnded(Exception):
    """The input is at its end, and a question is open."""


class Console:
    def __init__(self, stdin, stdout, style):
        self._stdin = stdin
        self._stdout = stdout
        self.style = style
        self._secrets: set[str] = set()

    def hide(self, secret: str) -> None:
        """From now on show `secret` in nothing that is said."""
        if len(secret) >= LEAST_SECRET:
            self._secrets.add(secret)

    def hide_password_of(self, url: str) -> None:
        with suppress(ValueError):
            password = urlsplit(url).password or ""
            self.hide(password)
            self.hide(unquote(password))

    def without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def say(self, text: str = "", *, ending: str = "\n") -> None:
        self._stdout.write(self.without_secrets(text), ending=ending)
        self._stdout.flush()

    def ask(
        self,
        question: str,
        default: str = "",
        *,
        problem_of: Callable[[str], str] = lambda answer: "",
    ) -> str:
        """Return the answer, or the default for an empty one; ask until it has no problem."""
        shown = f" [{default}]" if default else ""
        while True:
            self.say(f"{question}{shown}: ", ending="")
            answer = self._line() or default
            problem = problem_of(answer)
            if not problem:
                return answer
            self.say(self.style.ERROR(problem))

    def ask_hidden(self, question: str) -> str:
        """Return what was typed without its being shown; through a pipe, the next line."""
        if self._stdin.isatty():
            answer = getpass.getpass(f"{question}: ").strip()
        else:
            self.say(f"{question}: ", ending="")
            answer = self._line()
        self.hide(answer)
        return answer

    def ask_whether(self, question: str, *, default: bool) -> bool:
        def problem(answer: str) -> str:
            is_clear = answer.lower() in ("y", "yes", "n", "no")
            return "" if is_clear else "Please answer y or n."

        answer = self.ask(f"{question} (y/n)", "y" if default else "n", problem_of=problem)
        return answer.lower().startswith("y")

    def choose(self, question: str, among: Sequence[str], *, default: int = 1) -> int:
        """Return the number of one of these, counted from 1."""

        def problem(answer: str) -> str:
            is_one = answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(among)
            return "" if is_one else f"Please give a number from 1 to {len(among)}."

        for number, each in enumerate(among, start=1):
            self.say(f"  {number}  {each}")
        return int(self.ask(question, str(default), problem_of=problem))

    def show(self, finding: Finding) -> None:
        if finding.ok:
            self.say(f"{self.style.SUCCESS('ok    ')} {finding.check}: {finding.message}")
        else:
            self.say(f"{self.style.ERROR('failed')} {finding.check}: {finding.message}")
            self.say(f"       {finding.advice}")

    def keeps(self) -> bool:
        """Whether an answer that has failed its test is kept; otherwise it is asked for again."""
        return self.choose("What now?", ("answer again", "keep it all the same")) == 2

    def _line(self) -> str:
        line = self._stdin.readline()
        if not line:
            self.say()
            raise AnswersEnded
        if not self._stdin.isatty():
            self.say()  # nobody has pressed Enter here
        return line.strip()
