"""A pseudonym is stable and tells nothing."""

import pytest
from django.contrib.auth.models import AnonymousUser

from tracing import attributed, pseudonym
from tracing.attribution import current


def test_a_pseudonym_is_stable_and_no_name(alice, bob):
    assert pseudonym(alice) == pseudonym(alice) != pseudonym(bob)
    assert pseudonym(alice).startswith("u_")
    assert "alice" not in pseudonym(alice)
    assert str(alice.pk) != pseudonym(alice).removeprefix("u_")


def test_a_pseudonym_differs_between_sites(alice, settings):
    here = pseudonym(alice)
    settings.SECRET_KEY = "of another site"

    assert pseudonym(alice) != here


def test_for_development_it_is_the_name(alice, tracing_settings):
    tracing_settings(USER_ID="nickname")

    assert pseudonym(alice) == "alice"


@pytest.mark.parametrize("user", [None, AnonymousUser()])
def test_nobody_has_none(user):
    assert pseudonym(user) == ""


def test_an_inner_attribution_adds_and_the_outer_comes_back():
    with attributed(user_id="u-1"):
        with pytest.raises(KeyError), attributed(session_id="s-1"):
            assert (current().user_id, current().session_id) == ("u-1", "s-1")
            raise KeyError
        assert (current().user_id, current().session_id) == ("u-1", "")
    assert current().user_id == ""
