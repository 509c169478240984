"""Wrong passwords and new accounts in numbers, through the pages that people use."""

import itertools
import re
from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessLog
from django.test import Client
from django.utils import timezone

from learning.models import User

pytestmark = pytest.mark.django_db

ADDRESSES = (f"203.0.113.{n}" for n in itertools.cycle(range(1, 255)))


def attempt(name, password, *, address="192.0.2.1", client=None, path="/accounts/login/"):
    fields = {"username": name, "password": password}
    return (client or Client()).post(path, fields, REMOTE_ADDR=address)


def fail(times, name, *, client=None, address=None):
    """Fail to log in so often, each time from another address where none is named."""
    for _ in range(times):
        attempt(name, "wrong", client=client, address=address or next(ADDRESSES))


def sign_up(name, *, address="192.0.2.1", password="chloroplast-9", again="chloroplast-9"):
    fields = {"username": name, "email": f"{name}@example.org"}
    fields |= {"password1": password, "password2": again}
    return Client().post("/accounts/signup/", fields, REMOTE_ADDR=address)


def let_time_pass(minutes: int) -> None:
    for model in (AccessAttempt, AccessLog):
        for row in model.objects.all():
            earlier = row.attempt_time - timedelta(minutes=minutes)
            model.objects.filter(pk=row.pk).update(attempt_time=earlier)


def words(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_the_tenth_wrong_password_from_an_address_says_for_how_long_to_wait(alice):
    fail(9, "alice", address="192.0.2.1")
    tenth = attempt("alice", "wrong")
    right = attempt("alice", "alice")

    for response in (tenth, right):
        assert response.status_code == 429
        assert "Try again in 15 minutes." in words(response)
        assert response["Retry-After"] == "900"


def test_after_the_time_that_was_said_the_right_password_opens(alice):
    fail(10, "alice", address="192.0.2.1")
    let_time_pass(6)
    waiting = attempt("alice", "alice")
    let_time_pass(10)

    assert "Try again in 9 minutes." in words(waiting)
    assert attempt("alice", "alice").status_code == 302


def test_trying_while_one_waits_does_not_make_the_wait_longer(alice):
    fail(10, "alice", address="192.0.2.1")
    let_time_pass(14)
    fail(5, "alice", address="192.0.2.1")
    let_time_pass(2)

    assert attempt("alice", "alice").status_code == 302


def test_an_account_tried_from_many_addresses_waits_for_strangers(alice, bob):
    fail(24, "alice")
    assert attempt("alice", "wrong", address="198.51.100.1").status_code == 429
    assert attempt("alice", "alice", address="198.51.100.2").status_code == 429

    assert attempt("bob", "bob", address="198.51.100.3").status_code == 302


def test_who_has_logged_in_from_a_browser_before_is_not_locked_out_of_it(alice):
    at_home = Client()
    attempt("alice", "alice", client=at_home)
    at_home.post("/accounts/logout/")
    fail(30, "alice")
    fail(10, "alice", address="192.0.2.1")  # the same address, another browser

    assert attempt("alice", "alice").status_code == 429
    assert attempt("alice", "alice", client=at_home, address="198.51.100.1").status_code == 302


def test_a_known_browser_has_its_own_ten_tries(alice):
    stolen = Client()
    attempt("alice", "alice", client=stolen)
    stolen.post("/accounts/logout/")
    fail(10, "alice", client=stolen)

    assert attempt("alice", "alice", client=stolen, address="198.51.100.1").status_code == 429


def test_a_known_browser_is_known_for_one_name_only(alice, bob):
    of_bob = Client()
    attempt("bob", "bob", client=of_bob)
    fail(30, "alice")

    of_bob.post("/accounts/logout/")
    assert attempt("alice", "alice", client=of_bob).status_code == 429


def test_the_mark_of_a_known_browser_cannot_be_made_up(alice):
    forger = Client()
    forger.cookies["device"] = "abcdef.0123456789abcdef"
    fail(30, "alice")

    assert attempt("alice", "alice", client=forger).status_code == 429


def test_an_address_that_tries_many_names_waits(alice, settings):
    settings.FAILURES_BY_ADDRESS = 12
    for n in range(11):
        attempt(f"name{n}", "wrong", address="192.0.2.1")
    assert attempt("name11", "wrong", address="192.0.2.1").status_code == 429

    assert attempt("alice", "alice", address="192.0.2.1").status_code == 429
    assert attempt("alice", "alice", address="192.0.2.2").status_code == 302


def test_success_with_an_own_account_does_not_forget_the_failures_with_others(alice, bob, settings):
    settings.FAILURES_BY_ADDRESS = 12
    for n in range(12):
        if n % 4 == 3:
            attempt("bob", "bob", address="192.0.2.1")
        attempt(f"name{n}", "wrong", address="192.0.2.1")

    assert attempt("alice", "alice", address="192.0.2.1").status_code == 429


def test_the_admins_door_counts_too(staff):
    for _ in range(9):
        attempt("staff", "wrong", path="/admin/login/")
    page = attempt("staff", "wrong", path="/admin/login/")

    assert page.status_code == 429
    assert attempt("staff", "staff").status_code == 429


def test_nothing_tells_a_name_that_exists_from_one_that_does_not(alice):
    User.objects.create_user("gone", password="gone", is_active=False)
    said = {
        name: [words(attempt(name, "wrong", address=address)) for _ in range(11)]
        for name, address in (
            ("alice", "192.0.2.1"),
            ("nobody", "192.0.2.2"),
            ("gone", "192.0.2.3"),
        )
    }
    said = {
        name: [re.sub(r'value="[^"]*"', "", text) for text in texts] for name, texts in said.items()
    }

    assert said["alice"] == said["nobody"] == said["gone"]


def test_a_right_password_of_a_student_opens_no_admin_and_is_not_confirmed_there(alice):
    right = words(attempt("alice", "alice", path="/admin/login/", address="192.0.2.1"))
    wrong = words(attempt("alice", "wrong", path="/admin/login/", address="192.0.2.2"))

    assert re.sub(r'value="[^"]*"', "", right) == re.sub(r'value="[^"]*"', "", wrong)


def test_of_the_form_that_failed_no_password_and_no_token_is_kept():
    fields = {"username": "alice", "password": "my-real-passphrase", "csrfmiddlewaretoken": "t0k3n"}
    Client().post("/accounts/login/", fields)

    row = repr(AccessAttempt.objects.get().__dict__)
    assert "my-real-passphrase" not in row and "t0k3n" not in row


# --- Signing up ---------------------------------------------------------------------------------


def test_an_address_makes_only_so_many_accounts_in_an_hour(settings):
    settings.SIGN_UPS_PER_HOUR = 3
    assert [sign_up(f"student{n}").status_code for n in range(3)] == [302] * 3
    let_time_pass(20)
    refused = sign_up("student3")

    assert refused.status_code == 429 and "Try again in 40 minutes." in words(refused)
    assert not User.objects.filter(username="student3").exists()
    assert sign_up("elsewhere", address="192.0.2.2").status_code == 302
    let_time_pass(41)
    assert sign_up("student3").status_code == 302


def test_names_cannot_be_tried_out_by_signing_up_for_ever(alice, settings):
    settings.FAILURES_BY_ADDRESS = 5
    tries = [sign_up("alice").status_code for _ in range(6)]

    assert tries == [200] * 5 + [429]
    assert sign_up("carol").status_code == 429
    assert sign_up("carol", address="192.0.2.2").status_code == 302


@pytest.mark.parametrize(
    "password", ["seven-7", "123456789012", "qwerty123456", "carol@example.org"]
)
def test_a_password_is_long_and_no_common_one(password):
    assert sign_up("carol", password=password, again=password).status_code == 200


# --- Sessions -----------------------------------------------------------------------------------


def test_logging_in_gives_a_new_session_and_logging_out_ends_it(client, alice):
    client.get("/accounts/login/")
    session = client.session
    session["before"] = 1
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = before
    attempt("alice", "alice", client=client)
    inside = client.session.session_key
    client.post("/accounts/logout/")

    assert inside != before
    client.cookies["sessionid"] = inside
    assert not is_in(client)


def test_a_new_password_ends_the_sessions_elsewhere(client, staff):
    elsewhere = Client()
    attempt("staff", "staff", client=elsewhere)
    attempt("staff", "staff", client=client)
    client.post(
        "/admin/password_change/",
        {
            "old_password": "staff",
            "new_password1": "chloroplast-9",
            "new_password2": "chloroplast-9",
        },
    )

    assert client.get("/admin/").status_code == 200
    assert elsewhere.get("/admin/").status_code == 302


def test_a_session_ends_after_two_weeks_and_that_of_staff_after_twelve_hours(alice, staff):
    for name, lasts in (("alice", timedelta(days=14)), ("staff", timedelta(hours=12))):
        client = Client()
        attempt(name, name, client=client)
        assert client.session.get_expiry_date() - timezone.now() <= lasts
        assert client.session.get_expiry_date() - timezone.now() > lasts - timedelta(minutes=1)


# --- Where a request comes from -----------------------------------------------------------------

FORWARDED = [
    # proxies, what the header says, who is meant
    (0, "203.0.113.9", "192.0.2.1"),
    (1, "203.0.113.9", "203.0.113.9"),
    (1, "198.51.100.7, 203.0.113.9", "203.0.113.9"),  # the first one the client has made up
    (2, "198.51.100.7, 203.0.113.9, 192.0.2.8", "203.0.113.9"),
    (2, "203.0.113.9", "192.0.2.1"),  # one is missing: not what stands there, which is a claim
    (1, "203.0.113.9:4711", "203.0.113.9"),
    (1, "[2001:db8:1:2:3::9]:443", "2001:db8:1:2::"),  # a subscriber has all of a /64
    (1, "::ffff:203.0.113.9", "203.0.113.9"),
    (1, "<script>", "192.0.2.1"),
]


@pytest.mark.parametrize(("proxies", "header", "meant"), FORWARDED)
def test_as_many_proxies_are_believed_as_there_are(proxies, header, meant, settings):
    settings.PROXIES = proxies
    Client().post(
        "/accounts/login/",
        {"username": "alice", "password": "wrong"},
        REMOTE_ADDR="192.0.2.1",
        headers={"X-Forwarded-For": header},
    )

    assert AccessAttempt.objects.get().ip_address == meant
