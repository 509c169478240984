"""Signing up, logging in, logging out."""

import pytest
from django.test import Client

from learning.models import User

pytestmark = pytest.mark.django_db

BACKEND = "django.contrib.auth.backends.ModelBackend"

CAROL = {
    "username": "carol",
    "email": "carol@example.org",
    "password1": "chloroplast-9",
    "password2": "chloroplast-9",
}


def test_signing_up_logs_in_and_leads_back(client, course):
    response = client.post("/accounts/signup/?next=/courses/plants/", CAROL)

    assert response.status_code == 302
    assert response.url == "/courses/plants/"
    assert client.get("/").context["user"] == User.objects.get(username="carol")


def test_the_way_back_stays_on_this_site(client):
    response = client.post("/accounts/signup/", {**CAROL, "next": "https://evil.example/"})

    assert response.url == "/"


def test_a_password_that_differs_makes_no_account(client):
    response = client.post("/accounts/signup/", {**CAROL, "password2": "other-chloroplast"})

    assert response.status_code == 200
    assert response.context["form"].errors["password2"]
    assert not User.objects.exists()


def test_logging_in_leads_on(client, alice):
    response = client.post(
        "/accounts/login/",
        {"username": "alice", "password": "alice", "next": "/courses/plants/"},
    )

    assert response.status_code == 302
    assert response.url == "/courses/plants/"


def test_a_wrong_password_is_said_so(client, alice):
    response = client.post("/accounts/login/", {"username": "alice", "password": "bob"})

    assert response.status_code == 200
    assert response.context["form"].non_field_errors()


def test_the_wish_to_go_on_survives_the_way_to_sign_up(client):
    page = client.get("/accounts/login/?next=/courses/plants/").content.decode()

    assert 'href="/accounts/signup/?next=/courses/plants/"' in page
    page = client.get("/accounts/signup/?next=/courses/plants/").content.decode()
    assert '<input type="hidden" name="next" value="/courses/plants/">' in page


def test_logging_out_takes_a_post(client, alice):
    client.force_login(alice)

    assert client.get("/accounts/logout/").status_code == 405
    assert client.post("/accounts/logout/").url == "/"
    assert not client.get("/").context["user"].is_authenticated


def test_the_language_can_be_changed(client):
    client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/"})

    assert '<html lang="zh-Hans">' in client.get("/").content.decode()


def test_a_new_password_ends_the_other_sessions_and_not_this_one(client, alice):
    elsewhere = Client()
    for browser in (client, elsewhere):
        browser.post("/accounts/login/", {"username": "alice", "password": "alice"})
    new = {"new_password1": "chloroplast-9", "new_password2": "chloroplast-9"}

    wrong = client.post("/accounts/password/", {"old_password": "bob", **new})
    changed = client.post("/accounts/password/", {"old_password": "alice", **new})

    assert wrong.context["form"].errors["old_password"]
    assert changed.url == "/accounts/"
    assert client.get("/").context["user"] == alice
    assert not elsewhere.get("/").context["user"].is_authenticated
    alice.refresh_from_db()
    assert alice.check_password("chloroplast-9")


def test_an_address_is_changed_by_whoever_knows_the_password(client, alice):
    client.force_login(alice, backend=BACKEND)

    refused = client.post("/accounts/", {"email": "new@example.org", "password": "wrong"})
    alice.refresh_from_db()
    assert refused.context["form"].errors["password"] and alice.email == "alice@example.org"

    client.post("/accounts/", {"email": "new@example.org", "password": "alice"})
    alice.refresh_from_db()
    assert alice.email == "new@example.org"
    client.post("/accounts/", {"email": "", "password": "alice"})
    alice.refresh_from_db()
    assert alice.email == ""


def test_visitors_have_no_account_page(client):
    assert client.get("/accounts/").url == "/accounts/login/?next=/accounts/"
