"""A forgotten password is set anew by a link that comes by mail, from a real mail server."""

import logging
import re
import socket
import threading

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.tokens import default_token_generator
from django.core.checks import run_checks
from django.test import Client
from django.utils import translation
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext

from learning.models import User
from tests.servers.smtp_server import SMTPServer
from tests.servers.stubborn_server import StubbornServer

pytestmark = pytest.mark.django_db

ASK, SENT = "/accounts/password/reset/", "/accounts/password/reset/sent/"
NEW = {"new_password1": "chloroplast-9", "new_password2": "chloroplast-9"}
LINK = re.compile(r"http://testserver(/accounts/password/reset/\S+)")


@pytest.fixture
def by_mail(settings):
    """Let the site hand its mail in at a port of this machine."""

    def hand_in_at(port: int, **more) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        settings.DEFAULT_FROM_EMAIL = "Tutor <tutor@example.org>"
        for name, value in more.items():
            setattr(settings, name, value)

    return hand_in_at


@pytest.fixture
def mails(smtp_server, by_mail):
    by_mail(smtp_server.port)
    return smtp_server


def ask(client, email, **headers):
    return client.post(ASK, {"email": email}, headers=headers or None)


def link_in(mail) -> str:
    return LINK.search(mail.get_content())[1]


def in_the_log(caplog, words: str) -> str:
    """Wait for such a line: mails are sent by threads of their own."""
    for thread in threading.enumerate():
        if thread.name == "mail":
            thread.join(5)
    return next(line for line in caplog.messages if words in line)


def test_a_forgotten_password_is_set_by_the_link_of_a_mail(client, alice, mails):
    assert ASK in client.get("/accounts/login/").text
    assert ask(client, "Alice@Example.org").url == SENT

    mail = mails.wait_for_mail()
    assert (mail["To"], mail["From"]) == ("alice@example.org", "Tutor <tutor@example.org>")
    assert mail["Subject"] == "A new password at testserver"
    assert "“alice”" in mail.get_content()
    page = client.get(link_in(mail), follow=True)
    assert page.redirect_chain[-1][0].endswith("/set-password/")  # no token in a history
    done = client.post(page.redirect_chain[-1][0], NEW, follow=True)

    assert "Your password is changed. Log in with the new one." in done.text
    alice.refresh_from_db()
    assert alice.check_password("chloroplast-9")


def test_a_link_works_once(client, alice, mails):
    ask(client, alice.email)
    link = link_in(mails.wait_for_mail())
    client.post(client.get(link).url, NEW)

    again = Client().get(link)

    assert again.status_code == 200 and "This link is used already" in again.text


def test_a_weak_password_is_not_taken(client, alice, mails):
    ask(client, alice.email)
    address = client.get(link_in(mails.wait_for_mail())).url

    page = client.post(address, {"new_password1": "alice", "new_password2": "alice"})

    assert page.context["form"].errors["new_password2"]


def test_a_new_password_ends_all_sessions_and_forgets_the_tries_that_failed(client, alice, mails):
    elsewhere = Client()
    elsewhere.post("/accounts/login/", {"username": "alice", "password": "alice"})
    wrong = {"username": "alice", "password": "wrong"}
    assert [client.post("/accounts/login/", wrong) for _ in range(10)][-1].status_code == 429

    ask(client, alice.email)
    client.post(client.get(link_in(mails.wait_for_mail())).url, NEW)

    assert not elsewhere.get("/").context["user"].is_authenticated
    assert not AccessAttempt.objects.filter(username="alice").exists()
    logged_in = client.post("/accounts/login/", {"username": "alice", "password": "chloroplast-9"})
    assert logged_in.status_code == 302


def test_the_page_is_the_same_whether_or_not_there_is_such_an_account(client, alice, mails):
    known, unknown = (ask(client, email) for email in (alice.email, "nobody@example.org"))

    assert (known.status_code, known.url) == (unknown.status_code, unknown.url) == (302, SENT)
    assert mails.wait_for_mail()["To"] == alice.email
    assert mails.mails.empty()
    assert "If there is an account with this address" in client.get(SENT).text


def test_each_account_of_an_address_gets_its_own_mail(client, alice, mails):
    User.objects.create_user("alice2", alice.email, "alice2")

    ask(client, alice.email)

    names = {re.search("“(.+?)”", mails.wait_for_mail().get_content())[1] for _ in range(2)}
    assert names == {"alice", "alice2"}


def test_the_mail_is_in_the_language_of_the_page(client, alice, mails, settings):
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"

    ask(client, alice.email)

    mail = mails.wait_for_mail()
    with translation.override("zh-hans"):
        subject = gettext("A new password at %(domain)s") % {"domain": "testserver"}
        lead = gettext("To set it, open this address:")
    assert mail["Subject"] == subject and lead in mail.get_content()


@pytest.mark.parametrize("email", ["alice@example.org", "nobody@example.org"])
def test_an_address_gets_five_an_hour_and_nothing_tells_whether_anybody_has_it(
    email, client, alice, mails
):
    for _ in range(5):
        assert ask(client, email).url == SENT

    page = ask(client, email.upper())

    assert page.status_code == 429
    assert "Such a mail was asked for too often. Try again in an hour." in page.text
    assert ask(client, "another@example.org").url == SENT


def test_a_client_may_ask_twenty_times_an_hour(client, mails):
    for number in range(20):
        assert ask(client, f"{number}@example.org").url == SENT

    assert ask(client, "one-more@example.org").status_code == 429


def test_a_dead_mail_server_is_a_line_of_the_log_and_the_page_is_the_same(
    client, alice, by_mail, caplog
):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        by_mail(probe.getsockname()[1])
        caplog.set_level(logging.ERROR)

        assert ask(client, alice.email).url == SENT

        assert "ConnectionRefusedError" in in_the_log(caplog, "a mail was not sent")


def test_a_mail_server_that_says_nothing_is_given_up_in_time(client, alice, by_mail, caplog):
    with StubbornServer(reads=False) as silent:
        by_mail(int(silent.url.split(":")[2].split("/")[0]), EMAIL_TIMEOUT=0.2)
        caplog.set_level(logging.ERROR)

        assert ask(client, alice.email).url == SENT

        assert "timed out" in in_the_log(caplog, "a mail was not sent")


def test_a_mail_server_that_does_not_let_the_site_in_is_a_line_without_the_password(
    client, alice, by_mail, caplog
):
    with SMTPServer(password="right-one") as server:
        by_mail(server.port, EMAIL_HOST_USER="tutor", EMAIL_HOST_PASSWORD="wrong-one")
        caplog.set_level(logging.ERROR)

        assert ask(client, alice.email).url == SENT

        line = in_the_log(caplog, "a mail was not sent")
        assert "SMTPAuthenticationError" in line and "wrong-one" not in line


def test_without_a_mail_server_there_are_no_such_pages(client, alice):
    uid = urlsafe_base64_encode(force_bytes(alice.pk))
    token = default_token_generator.make_token(alice)

    assert ASK not in client.get("/accounts/login/").text
    for address in (ASK, SENT, f"{ASK}{uid}/{token}/"):
        assert client.get(address).status_code == 404
    assert ask(client, alice.email).status_code == 404


def test_the_account_page_says_what_the_address_is_for_where_mail_is_sent(client, alice, by_mail):
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    words = "A forgotten password can be set anew by a mail to it."

    assert words not in client.get("/accounts/").text
    by_mail(25)
    assert words in client.get("/accounts/").text


@pytest.mark.parametrize(
    ("more", "is_said"),
    [
        ({}, True),
        ({"EMAIL_USE_TLS": True}, False),
        ({"EMAIL_USE_SSL": True}, False),
        ({"EMAIL_HOST_PASSWORD": ""}, False),
        ({"EMAIL_HOST": "localhost"}, False),
    ],
)
def test_a_password_that_travels_unencrypted_is_told_before_the_site_is_public(
    more, is_said, settings
):
    given = {"EMAIL_HOST": "mail.example", "EMAIL_HOST_PASSWORD": "secret", **more}
    for name, value in given.items():
        setattr(settings, name, value)

    found = run_checks(tags=["security"], include_deployment_checks=True)

    assert ("learning.W001" in {each.id for each in found}) is is_said
