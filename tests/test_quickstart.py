"""The quickstart: an hour's administrator answers a few questions, each tested at once."""

import os
import signal
import socket
import stat
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from learning.models import User
from tests.servers.smtp_server import SMTPServer

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.django_db

BUILT_IN, OPENAI, SERVER = "1", "2", "3"
AGAIN, KEEP = "1", "2"
USUAL = ""  # Enter
NO_LANGFUSE = ["n"]
HERE = [USUAL, "n"]  # the address, and no mail
BOSS = ["boss", "", "a-long-one-77", "a-long-one-77"]
AGREED = ["y"]


@pytest.fixture
def env_file(tmp_path, monkeypatch):
    path = tmp_path / "env"
    monkeypatch.setenv("ENV_FILE", str(path))
    return path


def answered(*answers: str, **options) -> str:
    """What the command says to somebody who answers this."""
    out = StringIO()
    stdin = StringIO("".join(f"{answer}\n" for answer in answers))
    call_command("quickstart", stdin=stdin, stdout=out, no_color=True, **options)
    return out.getvalue()


def without_asking(**options) -> str:
    return answered(no_input=True, **options)


def refused(*answers: str, **options) -> str:
    """The reason of one that ends with an error."""
    with pytest.raises(CommandError) as error:
        answered(*answers, **options)
    assert error.value.returncode == 1
    return str(error.value)


def nowhere() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


# --- asking -------------------------------------------------------------------------------------
def test_the_built_in_tutor_and_an_administrator_take_a_minute(env_file):
    said = answered(BUILT_IN, *NO_LANGFUSE, *HERE, *BOSS, *AGREED)

    assert User.objects.get(username="boss").is_superuser
    assert User.objects.get(username="boss").check_password("a-long-one-77")
    assert not env_file.exists()  # there is nothing to say in it
    assert said.rstrip().splitlines()[-1].startswith("Next: make run")


def test_a_model_server_is_asked_for_its_models_and_for_a_word(env_file, openai_server):
    openai_server.requires_key("sk-right-key")
    openai_server.answers("ready")

    said = answered(
        SERVER, openai_server.url, "sk-right-key", "1", *NO_LANGFUSE, *HERE, *BOSS, *AGREED
    )

    assert "  1  test\n" in said
    assert "ok     chat model: test answers" in said
    assert openai_server.last.body["model"] == "test"
    lines = env_file.read_text().splitlines()
    assert f"OPENAI_BASE_URL={openai_server.url}" in lines
    assert {"OPENAI_API_KEY=sk-right-key", "CHAT_MODEL=test"} <= set(lines)


def test_a_wrong_key_is_told_at_once_and_asked_for_again(env_file, openai_server):
    openai_server.requires_key("sk-right-key")
    openai_server.answers("ready")
    wrong = [SERVER, openai_server.url, "sk-wrong-key", "test"]
    right = [SERVER, openai_server.url, "sk-right-key", "test"]

    said = answered(*wrong, AGAIN, *right, *NO_LANGFUSE, *HERE, *BOSS, *AGREED)

    assert "failed chat model: the server does not accept the key" in said
    assert "Copy the key again" in said
    assert "OPENAI_API_KEY=sk-right-key" in env_file.read_text()
    assert "sk-wrong-key" not in said and "sk-right-key" not in said


def test_a_server_that_is_not_up_yet_can_be_kept_all_the_same(env_file):
    url = nowhere()

    said = answered(SERVER, url, "", KEEP, "qwen", *NO_LANGFUSE, *HERE, *BOSS, *AGREED)

    assert f"failed chat model: the server at {url} cannot be reached" in said
    assert f"OPENAI_BASE_URL={url}" in env_file.read_text()
    assert "CHAT_MODEL=qwen" in env_file.read_text()


REFUSALS = {
    "an unknown model": ((404, "The model `x` does not exist"), "does not know the model"),
    "no chat there": ((404, "Not Found"), "there is no chat at"),
    "no credit": ((429, "You exceeded your current quota, check billing"), "has no credit"),
    "too many questions": ((429, "Rate limit reached"), "too many questions"),
    "a fault": ((500, "out of memory"), "a fault of its own"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_is_wrong_with_a_server_is_said_in_a_clear_sentence(what, env_file, openai_server):
    (status, words), sentence = REFUSALS[what]
    openai_server.fails(status, words)

    reason = refused(no_input=True, base_url=openai_server.url, model="x")

    assert sentence in reason
    assert "Nothing was changed" in reason
    assert not env_file.exists()


def test_a_new_address_is_not_given_the_key_of_the_old_one(env_file, openai_server):
    env_file.write_text("OPENAI_BASE_URL=https://old.example/v1\nOPENAI_API_KEY=sk-old-key\n")
    openai_server.answers("ready")

    answered(SERVER, openai_server.url, "", "test", *NO_LANGFUSE, *HERE, *BOSS, *AGREED)

    assert "sk-old-key" not in env_file.read_text()
    assert "sk-old-key" not in openai_server.last.headers["Authorization"]


@pytest.mark.django_db(transaction=True)
def test_langfuse_is_tested_as_the_doctor_does_and_asked_for_again(
    env_file, langfuse_server, recorded
):
    host = langfuse_server.url

    said = answered(
        BUILT_IN,
        *("y", host, "pk-lf-wrong", langfuse_server.secret_key, AGAIN),
        *("y", host, langfuse_server.public_key, langfuse_server.secret_key),
        *(*HERE, *BOSS, *AGREED),
    )

    assert "failed public key" in said
    assert "ok     public key: accepted, for the same project" in said
    assert f"LANGFUSE_PUBLIC_KEY={langfuse_server.public_key}" in env_file.read_text()
    assert langfuse_server.secret_key not in said


STARTTLS, TLS, PLAIN = "1", "2", "3"


def test_mail_is_tried_at_once_and_sent_to_whom_one_wishes(env_file):
    with SMTPServer(password="p w/d-77") as server:
        place = f"127.0.0.1:{server.port}"
        wrong = ["y", place, PLAIN, "tutor", "wrong-one", "site@example.org", ""]
        right = ["y", place, PLAIN, "tutor", "p w/d-77", "site@example.org", "me@example.org"]

        said = answered(
            BUILT_IN, *NO_LANGFUSE, USUAL, *wrong, AGAIN, *right, *BOSS, *AGREED
        )  # fmt: skip

        mail = server.wait_for_mail()
    assert (mail["From"], mail["To"]) == ("site@example.org", "me@example.org")
    assert "failed mail: the server does not accept name and password" in said
    assert f"ok     mail: {place} lets this site in" in said
    assert "wrong-one" not in said and "p w/d-77" not in said and "p%20w%2Fd" not in said
    assert f"EMAIL_URL='smtp://tutor:p%20w%2Fd-77@{place}'" in env_file.read_text()
    assert "EMAIL_FROM=site@example.org" in env_file.read_text()


def test_a_mail_server_that_cannot_be_reached_can_be_kept_all_the_same(env_file):
    place = nowhere().removeprefix("http://").removesuffix("/v1")
    mail = ["y", place, PLAIN, "none", "site@example.org", ""]

    said = answered(BUILT_IN, *NO_LANGFUSE, USUAL, *mail, KEEP, *BOSS, *AGREED)

    assert f"failed mail: the server at {place} cannot be reached" in said
    assert f"EMAIL_URL=smtp://{place}" in env_file.read_text()


def test_a_mail_server_that_does_not_encrypt_as_was_said_is_told(env_file, smtp_server):
    for scheme in ("smtp+tls", "smtps"):
        url = f"{scheme}://127.0.0.1:{smtp_server.port}"
        reason = refused(no_input=True, email_url=url, email_from="site@example.org")
        assert "does not take mail in this way" in reason


def test_a_new_mail_server_is_not_given_the_password_of_the_old_one(env_file, smtp_server):
    env_file.write_text("EMAIL_URL=smtps://tutor:hunter22@old.example\nEMAIL_FROM=a@example.org\n")
    place = f"127.0.0.1:{smtp_server.port}"

    said = answered(
        BUILT_IN, *NO_LANGFUSE, USUAL, "y", place, PLAIN, USUAL, USUAL, "", *BOSS, *AGREED
    )

    assert f"EMAIL_URL=smtp://{place}\n" in env_file.read_text()
    assert "EMAIL_URL: smtps://***@old.example" in said and "hunter22" not in said


def test_two_passwords_that_differ_are_asked_for_again_and_a_weak_one_is_told(env_file):
    weak = ["boss", "boss@example.org", "one-thing", "another", "12345", "12345"]

    said = answered(BUILT_IN, *NO_LANGFUSE, *HERE, *weak, AGAIN, *BOSS, *AGREED)

    assert "The two differ." in said
    assert "failed password: This password is too short" in said
    assert User.objects.get().check_password("a-long-one-77")


def test_a_name_that_is_taken_is_told_and_an_administrator_need_not_be_made(env_file, staff):
    said = answered(BUILT_IN, *NO_LANGFUSE, *HERE, "y", "staff", *BOSS, *AGREED)
    assert "There is one already: staff." in said
    assert "There is a user staff already" in said

    answered(BUILT_IN, *NO_LANGFUSE, *HERE, "n")
    assert User.objects.count() == 2


def test_an_address_makes_the_site_answer_to_it_without_debug(env_file):
    env_file.write_text("DJANGO_DEBUG=1\n")

    said = answered(
        *(BUILT_IN, *NO_LANGFUSE, "tutor.example", "http://localhost:8443/", "n", *BOSS, *AGREED)
    )

    assert "That is no address" in said
    assert env_file.read_text() == (
        "DJANGO_DEBUG=0\n"
        "# Written by manage.py quickstart\n"
        "DJANGO_ALLOWED_HOSTS=localhost\n"
        "DJANGO_CSRF_TRUSTED_ORIGINS=http://localhost:8443\n"
    )


def test_a_short_key_is_not_shown_either_and_nothing_quotes_a_long_one(env_file, openai_server):
    openai_server.answers("ready")
    said = without_asking(base_url=openai_server.url, api_key="k3y", model="test")
    assert "OPENAI_API_KEY: (unset) → (hidden)" in said and "k3y" not in said

    said = without_asking(base_url=nowhere(), api_key="a-long-key", model="a-long-key", anyway=True)
    assert "CHAT_MODEL: test → ***" in said and "a-long-key" not in said


# --- the file -----------------------------------------------------------------------------------
def test_every_other_line_stays_as_it_is(env_file, openai_server):
    before = "# mine\r\nexport CHAT_MODEL=old  \nQUESTIONS_PER_DAY=7\n\nCONTEXT_TOKENS='9000'"
    env_file.write_bytes(before.encode())
    env_file.chmod(0o644)
    openai_server.answers("ready")

    said = without_asking(base_url=openai_server.url, model="new")

    assert env_file.read_bytes().decode() == (
        "# mine\r\nexport CHAT_MODEL=new\nQUESTIONS_PER_DAY=7\n\nCONTEXT_TOKENS='9000'\n"
        f"# Written by manage.py quickstart\nOPENAI_BASE_URL={openai_server.url}\n"
    )
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600
    assert os.listdir(env_file.parent) == ["env"]
    assert "  CHAT_MODEL: old → new\n" in said


@pytest.mark.parametrize("odd", ["a#b$c'd\"e\\f", '"quoted"', "'quoted'"])
def test_what_it_writes_is_what_the_site_reads(odd, env_file, openai_server):
    openai_server.answers("ready")

    without_asking(base_url=openai_server.url, model=odd, api_key="$HOME#1;x")

    read = subprocess.run(
        [sys.executable, "-c", "from config.settings import TUTOR as t; print(*t.values())"],
        env={**os.environ, "OPENAI_API_KEY": "", "CHAT_MODEL": ""},
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert odd in read.stdout and "$HOME#1;x" in read.stdout


def test_what_the_environment_sets_is_told_to_go_before_the_file(
    env_file, openai_server, monkeypatch
):
    monkeypatch.setenv("CHAT_MODEL", "from-outside")
    openai_server.answers("ready")

    said = without_asking(base_url=openai_server.url, model="test")

    assert "CHAT_MODEL is set in the environment too" in said


def test_a_database_that_only_this_environment_names_is_told_of(env_file, monkeypatch):
    words = "The site needs DATABASE_URL in its environment"
    monkeypatch.setenv("DATABASE_URL", "postgres://site@db/site")
    assert words in without_asking(site_address="local")

    env_file.write_text("DATABASE_URL=postgres://site@db/site\n")

    assert words not in without_asking(site_address="local")


def test_whoever_does_not_agree_changes_nothing(env_file):
    env_file.write_text("CHAT_MODEL=old\n")

    reason = refused(BUILT_IN, *NO_LANGFUSE, *HERE, *BOSS, "n")

    assert "Nothing was changed" in reason
    assert env_file.read_text() == "CHAT_MODEL=old\n"
    assert not User.objects.exists()


def test_a_file_that_cannot_be_written_leaves_no_administrator(env_file):
    env_file.parent.joinpath("folder").mkdir()
    os.environ["ENV_FILE"] = str(env_file.parent / "no" / "such" / "env")

    reason = refused(
        no_input=True, site_address="http://localhost", admin_username="boss",
        admin_password="a-long-one-77",
    )  # fmt: skip

    assert "cannot be written" in reason
    assert not User.objects.exists()


# --- without asking -----------------------------------------------------------------------------
def test_without_asking_all_comes_from_options(env_file, openai_server, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a-long-one-77")
    openai_server.answers("ready")

    said = without_asking(
        chat_model="server", base_url=openai_server.url, model="test",
        langfuse_host="none", site_address="local", admin_username="boss",
    )  # fmt: skip

    assert "CHAT_MODEL=test" in env_file.read_text()
    assert User.objects.get(username="boss").check_password("a-long-one-77")
    assert "a-long-one-77" not in said


def test_without_asking_what_is_not_named_stays(env_file):
    env_file.write_text("OPENAI_API_KEY=sk-mine\nLANGFUSE_HOST=https://langfuse.example\n")
    before = env_file.read_text()

    said = without_asking()

    assert said.count("stays as it is") == 5
    assert env_file.read_text() == before


def test_anyway_keeps_what_fails_its_test(env_file):
    url = nowhere()

    without_asking(base_url=url, model="qwen", anyway=True)

    assert f"OPENAI_BASE_URL={url}" in env_file.read_text()


UNUSABLE = {
    "--base-url": dict(base_url="localhost:8001"),
    "needs --base-url": dict(chat_model="server"),
    "needs --api-key": dict(chat_model="openai"),
    "needs --langfuse-public-key": dict(langfuse_host="http://langfuse:3000"),
    "--email-url": dict(email_url="mail.example"),
    "--email-from": dict(email_url="smtp://mail.example"),
    "--site-address": dict(site_address="https://tutor.example/path"),
    "DJANGO_SUPERUSER_PASSWORD": dict(admin_username="boss"),
}


@pytest.mark.parametrize("says", UNUSABLE)
def test_an_option_that_cannot_be_used_is_named(says, env_file):
    assert says in refused(no_input=True, **UNUSABLE[says])
    assert not env_file.exists()


# --- a process of its own -----------------------------------------------------------------------
@pytest.fixture
def quickstart(tmp_path, env_file):
    """Start it on a machine that has no database yet."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(tmp_path / "data"),
    }

    def start(*options: str, DATABASE_URL: str = "", **streams) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "manage.py", "quickstart", "--no-color", *options],
            cwd=ROOT,
            env={**environment, "DATABASE_URL": DATABASE_URL},
            start_new_session=True,
            **streams,
        )

    return start


class Terminal:
    """Both ends of a pseudo-terminal."""

    def __init__(self):
        self.ours, self.theirs = os.openpty()
        self.shown = ""

    def type_when(self, question: str, answer: str) -> None:
        seen = len(self.shown)
        while question not in self.shown[seen:]:
            self.shown += os.read(self.ours, 4096).decode(errors="replace")
        os.write(self.ours, answer.encode())

    def rest(self) -> str:
        os.close(self.theirs)
        try:
            while piece := os.read(self.ours, 4096):
                self.shown += piece.decode(errors="replace")
        except OSError:  # the end of a terminal
            pass
        os.close(self.ours)
        return self.shown


def test_on_a_terminal_no_password_is_shown(quickstart, tmp_path):
    terminal = Terminal()
    end = terminal.theirs
    process = quickstart(stdin=end, stdout=end, stderr=end)
    terminal.type_when("up to date now? (y/n) [y]:", "\n")
    terminal.type_when("answers students? [1]:", "\n")
    terminal.type_when("Langfuse server too? (y/n) [n]:", "\n")
    terminal.type_when("Address [local]:", "\n")
    terminal.type_when("Send mail? (y/n) [n]:", "\n")
    terminal.type_when("Username [admin]:", "\n")
    terminal.type_when("(may be empty):", "\n")
    terminal.type_when("(is not shown):", "a-long-one-77\n")
    terminal.type_when("same again:", "a-long-one-77\n")
    terminal.type_when("Write it? (y/n) [y]:", "\n")

    assert process.wait(30) == 0
    shown = terminal.rest()
    assert "Next: make run" in shown
    assert "a-long-one-77" not in shown


def test_ctrl_c_leaves_everything_as_it_was(quickstart, tmp_path, env_file):
    env_file.write_text("CHAT_MODEL=old\n")
    terminal = Terminal()
    end = terminal.theirs
    process = quickstart(stdin=end, stdout=end, stderr=end)
    terminal.type_when("up to date now? (y/n) [y]:", "\n")
    terminal.type_when("answers students? [1]:", "\n")
    terminal.type_when("Langfuse server too? (y/n) [n]:", "")
    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 130
    shown = terminal.rest()
    assert "Nothing was changed." in shown and "Traceback" not in shown
    assert env_file.read_text() == "CHAT_MODEL=old\n"
    assert not list((tmp_path / "data").glob("*.sqlite3*"))


def test_answers_that_end_too_early_change_nothing(quickstart, tmp_path):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = quickstart(**pipes, text=True)

    _, said = process.communicate("y\n1\n", timeout=60)

    assert process.returncode == 1
    assert "The answers ended before the questions did" in said and "--no-input" in said
    assert not list((tmp_path / "data").glob("*.sqlite3*"))


def test_a_database_that_cannot_be_reached_ends_it_with_what_to_do(quickstart, env_file):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"postgres://site:hunter22@127.0.0.1:{port}/site"

    process = quickstart("--no-input", "--site-address", "http://localhost", stderr=subprocess.PIPE,
                         stdout=subprocess.DEVNULL, text=True, DATABASE_URL=url)  # fmt: skip

    _, reason = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "DATABASE_URL" in reason and "hunter22" not in reason
    assert not env_file.exists()
