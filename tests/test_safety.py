"""What guards the site before any page is asked: https, headers, cookies, who opens a socket."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from channels.testing import WebsocketCommunicator

from config.asgi import application
from config.csp import hashes_of_theme_styles

ROOT = Path(__file__).resolve().parent.parent
ANYBODYS = ["/", "/accounts/login/", "/accounts/signup/", "/admin/login/", "/nowhere/", "/healthz"]


def manage(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    unset = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "LANGFUSE_HOST", "OPENAI_BASE_URL"), "")
    # Set by the tests in a browser, for themselves; a deployment is warned of it.
    unset["DJANGO_ALLOW_ASYNC_UNSAFE"] = ""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            **unset,
            "DATA_DIR": str(data),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DJANGO_DEBUG": "0",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )


BY_HTTPS = {
    "DJANGO_CSRF_TRUSTED_ORIGINS": "https://tutor.example",
    "DJANGO_ALLOWED_HOSTS": "tutor.example",
}


# --- https --------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"DJANGO_PROXIES": "0"}, {"DJANGO_HSTS_SUBDOMAINS": "1"}])
def test_a_site_reached_by_https_passes_the_checks_of_a_deployment_without_a_warning(
    more, tmp_path
):
    run = manage(tmp_path, "check", "--deploy", **BY_HTTPS, **more)

    assert (run.returncode, run.stderr) == (0, "")
    assert "no issues" in run.stdout


def test_the_same_checks_warn_of_a_site_without_https(tmp_path):
    assert "security.W012" in manage(tmp_path, "check", "--deploy").stderr


# Django's client in a process of its own: settings like these are read at the start.
BEHIND_A_PROXY = """
import json
from django.core.management import call_command
from django.test import Client
from learning.models import User
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
User.objects.create_user("alice", password="alice")
client = Client(SERVER_NAME="tutor.example")
proxied = {"X-Forwarded-Proto": "https"}
seen = {}
for name, response in {
    "plain": client.get("/accounts/login/"),
    "healthz": client.get("/healthz", SERVER_NAME="localhost"),
    "readyz": client.get("/readyz", SERVER_NAME="localhost"),
    "proxied": client.get("/accounts/login/", headers=proxied),
    "logged_in": client.post(
        "/accounts/login/", {"username": "alice", "password": "alice"}, headers=proxied
    ),
    "language": client.post("/i18n/setlang/", {"language": "zh-hans"}, headers=proxied),
}.items():
    seen[name] = {
        "status": response.status_code,
        "headers": dict(response.headers),
        "cookies": [morsel.OutputString() for morsel in response.cookies.values()],
    }
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def behind_a_proxy(tmp_path_factory):
    data = tmp_path_factory.mktemp("https")
    run = manage(data, "shell", "-v", "0", "-c", BEHIND_A_PROXY, **BY_HTTPS)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_plain_http_is_led_to_https(behind_a_proxy):
    seen = behind_a_proxy["plain"]
    assert seen["status"] == 301
    assert seen["headers"]["Location"] == "https://tutor.example/accounts/login/"


def test_probes_are_answered_without_https(behind_a_proxy):
    assert behind_a_proxy["healthz"]["status"] == 200
    assert behind_a_proxy["readyz"]["status"] in (200, 503)


def test_a_browser_is_told_to_come_by_https_for_a_year(behind_a_proxy):
    seen = behind_a_proxy["proxied"]
    assert seen["status"] == 200
    assert seen["headers"]["Strict-Transport-Security"] == "max-age=31536000"


def test_every_cookie_travels_by_https_alone_and_to_no_other_site(behind_a_proxy):
    cookies = [
        cookie
        for name in ("proxied", "logged_in", "language")
        for cookie in behind_a_proxy[name]["cookies"]
    ]
    named = {cookie.partition("=")[0]: cookie for cookie in cookies}

    assert named.keys() == {"csrftoken", "__Host-sessionid", "__Host-device", "django_language"}
    for name, cookie in named.items():
        assert "Secure" in cookie and "SameSite=Lax" in cookie and "Domain" not in cookie, name
        assert ("HttpOnly" in cookie) == (name != "csrftoken"), name


@pytest.mark.django_db
def test_a_claim_of_https_is_not_believed_where_no_proxy_stands(client):
    response = client.get("/", headers={"X-Forwarded-Proto": "https"})
    assert not response.wsgi_request.is_secure()


# --- Headers ------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("address", ANYBODYS)
def test_every_answer_says_what_a_browser_may_do_with_it(client, address):
    headers = client.get(address).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "microphone=()" in headers["Permissions-Policy"]
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy


def directives(response) -> dict[str, set[str]]:
    parts = response.headers["Content-Security-Policy"].split("; ")
    return {name: set(sources) for name, *sources in map(str.split, parts)}


@pytest.mark.django_db
def test_students_pages_run_and_show_nothing_but_what_is_of_this_site(client):
    policy = directives(client.get("/"))

    assert {source for sources in policy.values() for source in sources} <= {
        "'self'",
        "'none'",
        "data:",
    }
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == {"'self'"}


@pytest.mark.django_db
def test_the_admin_has_what_its_theme_needs_and_no_more(client, staff):
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    policy = directives(client.get("/admin/"))
    students = directives(client.get("/"))

    assert {name for name in policy if policy[name] != students.get(name)} == {
        "script-src",
        "style-src",
        "style-src-attr",
    }
    assert policy["script-src"] == {"'self'", "'unsafe-eval'"}
    assert policy["style-src"] == {"'self'", *hashes_of_theme_styles()}
    assert len(hashes_of_theme_styles()) == 1


@pytest.mark.django_db
def test_what_a_person_sees_is_not_left_in_the_browser(client, alice, staff, course):
    for person, addresses in (
        (alice, ["/", "/courses/plants/", "/courses/plants/chapters/roots/", "/accounts/privacy/"]),
        (staff, ["/admin/", "/admin/learning/message/", "/admin/learning/user/"]),
    ):
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        for address in addresses:
            assert "no-store" in client.get(address).headers["Cache-Control"], address


@pytest.mark.django_db
def test_a_page_for_everybody_is_asked_for_again(client):
    assert client.get("/").headers["Cache-Control"] == "private, no-cache"


# --- Websockets ---------------------------------------------------------------------------------
# No test below may reach the database: pytest refuses it to them, and the connection would fail.

PATH = "/ws/conversations/00000000-0000-0000-0000-000000000000/"
COOKIE = (b"cookie", b"sessionid=0123456789abcdefghijklmnopqrstuv")


async def is_refused(*headers: tuple[bytes, bytes]) -> bool:
    """Whether it was closed before it was opened: the browser gets a 403."""
    socket = WebsocketCommunicator(application, PATH, headers=[*headers, COOKIE])
    connected, code = await socket.connect(timeout=5)
    await socket.disconnect()
    return not connected and code == 4403


OUR_HOST = (b"host", b"testserver")


@pytest.mark.parametrize(
    "headers",
    [
        [OUR_HOST],  # no browser
        [OUR_HOST, (b"origin", b"https://elsewhere.example")],
        [OUR_HOST, (b"origin", b"http://testserver:81")],
        [OUR_HOST, (b"origin", b"null")],
        [OUR_HOST, (b"origin", b"file://testserver")],
        [OUR_HOST, (b"origin", b"http://testserver@elsewhere.example")],
        [OUR_HOST, (b"origin", b"http://[testserver")],
        [OUR_HOST, (b"origin", b"http://elsewhere.example"), (b"Origin", b"http://testserver")],
        [OUR_HOST, (b"origin", b"http://testserver"), (b"origin", b"http://elsewhere.example")],
        [OUR_HOST, (b"host", b"a.example"), (b"origin", b"http://a.example")],
        [OUR_HOST, (b"host", b"a.example"), (b"origin", b"http://testserver")],
        [(b"host", b"elsewhere.example"), (b"origin", b"http://elsewhere.example")],
        [(b"host", b""), (b"origin", b"http://")],
    ],
)
async def test_a_socket_from_elsewhere_is_refused_before_anything_is_looked_up(headers):
    assert await is_refused(*headers)


async def test_a_page_by_http_opens_no_socket_of_a_site_by_https(settings):
    settings.SECURE_SSL_REDIRECT = True
    assert await is_refused(OUR_HOST, (b"origin", b"http://testserver"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_https", [False, True])
async def test_a_page_of_this_site_comes_as_far_as_the_log_in(settings, is_https):
    settings.SECURE_SSL_REDIRECT = is_https
    origin = b"https://testserver" if is_https else b"http://testserver"
    socket = WebsocketCommunicator(application, PATH, headers=[OUR_HOST, (b"origin", origin)])

    connected, _ = await socket.connect(timeout=5)
    assert connected
    assert await socket.receive_output(timeout=5) == {"type": "websocket.close", "code": 4401}
