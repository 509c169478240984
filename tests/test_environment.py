"""Settings from the environment: a value that cannot be used stops the start, in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import env

ROOT = Path(__file__).resolve().parent.parent


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    settings = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **environment}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        timeout=60,
    )


UNUSABLE = {
    "DJANGO_DEBUG": ("maybe", "1 or 0"),
    "DATABASE_URL": ("mysql://root:hunter2@db/site", "sqlite:///"),
    "REDIS_URL": ("http://redis", "redis://"),
    "OPENAI_BASE_URL": ("localhost:8001", "http://"),
    "FALLBACK_BASE_URL": ("localhost", "http://"),
    "FIRST_TOKEN_SECONDS": ("0", "a whole number from 1"),
    "LANGFUSE_HOST": ("http://langfuse:port", "http://"),
    "TRACING_USER_ID": ("name", "'id' or 'nickname'"),
    "TRACING_CAPTURE_CONTENT": ("2", "1 or 0"),
    "TRACING_RETENTION_DAYS": ("-1", "a whole number from 0"),
    "TRACING_PRICES": ("glm-4*=0.6/2.2, qwen-plus*=0.4", "'glm-4*=0.6/2.2, qwen-plus*=0.4/1.2'"),
    "DJANGO_CSRF_TRUSTED_ORIGINS": ("https://tutor.example/", "without a path"),
    "DJANGO_ALLOWED_HOSTS": ("https://tutor.example", "host names"),
    "EMAIL_URL": ("mail.example:587", "smtp+tls://"),
    "EMAIL_FROM": ("the tutor", "tutor@example.org"),
    "DATA_DIR": ("/proc/nowhere", "a folder that can be written"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_value_that_cannot_be_used_stops_the_start_in_one_line(name, tmp_path):
    value, takes = UNUSABLE[name]

    run = manage("check", **{"DATA_DIR": str(tmp_path), name: value})

    [line] = run.stderr.strip().splitlines()
    assert run.returncode == 1
    assert line.startswith(f"coursetrace: {name}=") and takes in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example",
        "smtp://",
        "smtp://tutor:hunter2@mail.example:port",
        "smtps://tutor@mail.example",  # a name without a password
        "smtps://tutor:hunter2@mail.example/?tls=1",
    ],
)
def test_an_address_of_a_mail_server_that_would_be_misread_is_refused(url, monkeypatch):
    monkeypatch.setenv("EMAIL_URL", url)

    with pytest.raises(env.SettingError) as refusal:
        env.mail_server("EMAIL_URL")

    assert "smtp+tls://user:password@host:587" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_the_address_of_a_mail_server_says_how_mail_travels(monkeypatch):
    found = {}
    for scheme in ("smtp", "smtp+tls", "smtps"):
        monkeypatch.setenv("EMAIL_URL", f"{scheme}://tutor%40a.example:p%2Fw@mail.example")
        server = env.mail_server("EMAIL_URL")
        found[scheme] = (server.port, server.starts_tls, server.is_tls)
        assert (server.host, server.user, server.password) == (
            "mail.example", "tutor@a.example", "p/w",
        )  # fmt: skip

    assert found == {
        "smtp": (25, False, False),
        "smtp+tls": (587, True, False),
        "smtps": (465, False, True),
    }


def test_a_mail_server_needs_an_address_that_mail_comes_from(tmp_path):
    run = manage("check", DATA_DIR=str(tmp_path), EMAIL_URL="smtp://mail.example")

    [line] = run.stderr.strip().splitlines()
    assert line.startswith("coursetrace: EMAIL_FROM=") and "EMAIL_URL" in line


def test_a_value_of_the_env_file_fills_an_empty_one_and_gives_way_to_a_set_one(tmp_path):
    (tmp_path / "env").write_text("TRACING_USER_ID=nobody\nDJANGO_DEBUG=0\n")
    environment = {"DATA_DIR": str(tmp_path), "ENV_FILE": str(tmp_path / "env")}

    empty = manage("check", TRACING_USER_ID="", **environment)
    given = manage("check", TRACING_USER_ID="id", **environment)

    assert "TRACING_USER_ID='nobody'" in empty.stderr
    assert given.returncode == 0


def test_a_redis_socket_is_a_redis_url(tmp_path):
    run = manage("check", DATA_DIR=str(tmp_path), REDIS_URL="unix:///run/redis.sock")
    assert run.returncode == 0


@pytest.mark.parametrize(
    "value",
    ["glm-4*", "glm-4*=0.6", "=1/2", "glm-4*=-1/2", "glm-4*=1e3/2", "glm-4*=1/nan", "a=1/2/3"],
)
def test_a_price_is_two_plain_numbers(value, monkeypatch):
    monkeypatch.setenv("TRACING_PRICES", value)
    with pytest.raises(SystemExit, match=r"TRACING_PRICES=.* it takes prices such as"):
        env.prices("TRACING_PRICES")


def test_prices_are_read_in_their_order(monkeypatch):
    monkeypatch.setenv("TRACING_PRICES", " glm-4*=0.6/2.2,z-ai/glm-5 = 1 / 3.2, ")
    assert env.prices("TRACING_PRICES") == [("glm-4*", 0.6, 2.2), ("z-ai/glm-5", 1.0, 3.2)]


def test_an_empty_key_file_is_made_anew(tmp_path):
    (tmp_path / "secret_key").touch()
    assert manage("check", DATA_DIR=str(tmp_path), DJANGO_SECRET_KEY="").returncode == 0
    assert len((tmp_path / "secret_key").read_text()) > 50


def test_an_empty_value_counts_as_unset(tmp_path):
    run = manage("check", **{**dict.fromkeys(UNUSABLE, ""), "DATA_DIR": str(tmp_path)})
    assert (run.returncode, run.stderr) == (0, "")


def test_a_signing_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    manage("check", DATA_DIR=str(tmp_path), DJANGO_SECRET_KEY="")
    first = (tmp_path / "secret_key").read_text()
    manage("check", DATA_DIR=str(tmp_path), DJANGO_SECRET_KEY="")

    assert len(first) > 50 and (tmp_path / "secret_key").read_text() == first
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0


def test_a_command_starts_without_the_heavy_libraries(tmp_path):
    script = (
        "import sys; from django.core.management import execute_from_command_line as run\n"
        "run(['manage.py', 'check'])\n"
        "print(sorted({'torch', 'sentence_transformers', 'transformers', 'openai', 'langfuse', "
        "'jieba'} & sys.modules.keys()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(tmp_path),
            "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
            "LANGFUSE_HOST": "http://127.0.0.1:1",
            "LANGFUSE_PUBLIC_KEY": "pk",
            "LANGFUSE_SECRET_KEY": "sk",
        },
        capture_output=True,
        text=True,
    )
    assert run.stdout.splitlines()[-1] == "[]", run.stdout + run.stderr


def test_every_setting_is_in_the_example_file():
    read = (ROOT / "config/settings.py").read_text()
    example = (ROOT / ".env.example").read_text()
    named = {
        part.split('"')[1]
        for part in read.split("env.")[1:]
        if part.split("(")[0]
        in (
            "text",
            "mail_server",
            "mail_address",
            "flag",
            "whole_number",
            "choice",
            "prices",
            "hosts",
            "url",
            "origins",
            "database",
            "directory",
        )
    }
    listed = {line.split("=")[0] for line in example.splitlines() if line and line[0] != "#"}
    assert named == listed
