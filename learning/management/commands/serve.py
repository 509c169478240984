"""Run the site and a task worker side by side, for trying out and for one small machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from learning.models import User

# The web process ends itself within 4.5 seconds (config/lifecycle.py), a worker within 3 (see
# worker.py) unless it is in the middle of a reindex, which goes on where it was at its next run.
SERVER_SECONDS = 4.7
WORKER_SECONDS = 3.2
# Between two workers that end by themselves; students can read and ask meanwhile.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    help = "Serve the site with a task worker, replaced if it ends; Ctrl-C ends both."

    def add_arguments(self, parser):
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=os.environ.get("PORT") or "8000")

    def handle(self, *, host, port, **options):
        _require_free(host, port)
        if not settings.DEBUG:
            call_command("collectstatic", interactive=False, verbosity=0)
        commands = [
            [
                sys.executable,
                "-m",
                "daphne",
                "-v",
                "0",  # requests are logged by config/request_log.py
                "-b",
                host,
                "-p",
                str(port),
                "config.asgi:application",
            ],
            [sys.executable, "manage.py", "worker"],
        ]
        children = [_start(command) for command in commands]
        for name in SIGNALS:
            signal.signal(name, lambda *_: sys.exit(0))
        try:
            _wait_until_it_answers(children[0], host, port)
            self._say_where(host, port)
            self._keep_a_worker(children, commands[1])
            raise CommandError("The web server ended by itself; its last lines above say why.")
        finally:
            _end(children)

    def _keep_a_worker(self, children: list[subprocess.Popen], command: list[str]) -> None:
        """Start another worker in place of one that ends; return when the web server ends."""
        server, _ = children
        began, pause = time.monotonic(), FIRST_PAUSE_SECONDS
        while server.poll() is None:
            time.sleep(0.3)
            if children[1].poll() is None:
                continue
            if time.monotonic() - began > LONGEST_PAUSE_SECONDS:  # it did well until now
                pause = FIRST_PAUSE_SECONDS
            self.stderr.write(
                self.style.WARNING(
                    f"The worker ended by itself; its last lines above say why. "
                    f"Another one starts in {pause:.0f} s."
                )
            )
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            began = time.monotonic()
            children[1] = _start(command)

    def _say_where(self, host: str, port: int) -> None:
        lines = ["", f"Coursetrace runs at http://{host}:{port}", *self._who_may_log_in()]
        self.stdout.write(self.style.SUCCESS("\n".join([*lines, "  Ctrl-C ends it", ""])))
        self.stdout.flush()

    def _who_may_log_in(self) -> Iterator[str]:
        if not User.objects.filter(is_superuser=True).exists():
            yield "  nobody can open /admin/ yet: manage.py createsuperuser"
        where = {
            "student": "two courses",
            "teacher": "these courses in /admin/",
            "staff": "all of /admin/",
        }
        people = User.objects.filter(username__in=where)
        for user in sorted(people, key=lambda user: list(where).index(user.username)):
            # A password that is the name is one that load_demo gave.
            if not user.check_password(user.username):
                continue
            if settings.DEBUG:
                yield f"  log in as {user.username} / {user.username}  ({where[user.username]})"
            else:
                yield (
                    f"  everybody knows the password of {user.username}: "
                    f"manage.py changepassword {user.username}"
                )


def _start(command: list[str]) -> subprocess.Popen:
    """Start a process in a session of its own: Ctrl-C reaches us alone, and it ends once."""
    return subprocess.Popen(command, cwd=settings.BASE_DIR, start_new_session=True)  # noqa: S603


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} cannot be used ({error.strerror}); choose another: PORT=8001 make run"
            ) from None


def _wait_until_it_answers(server: subprocess.Popen, host: str, port: int) -> None:
    while server.poll() is None:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)


def _end(children: list[subprocess.Popen]) -> None:
    """Ask each process to end, wait, and end what does not."""
    for name in SIGNALS:
        signal.signal(name, signal.SIG_IGN)  # asked twice, it must not leave them behind
    for child in children:
        if child.poll() is None:
            child.terminate()
    began = time.monotonic()
    server, worker = children
    for child, seconds in ((worker, WORKER_SECONDS), (server, SERVER_SECONDS)):
        try:
            child.wait(max(0.1, began + seconds - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
