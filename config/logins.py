"""How often a wrong password may be tried, and what becomes of a log-in that succeeds.

Failures are counted by axes, in the database, over the last quarter of an hour:

    by one name from one address      10
    by one name from anywhere         25     however many addresses an attacker has
    from one address, whatever name  100     a lecture hall behind one address mistypes less

Whoever has logged in before from this browser shows a cookie that says so. For them only the
failures of this browser count: others can use up the tries of strangers, and not theirs, so nobody
can lock a student out of where the student works.
"""

import datetime
import math
import secrets

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username, get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import QuerySet
from django.shortcuts import render
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from config.responses import changing_responses

DEVICE_SECONDS = 365 * 24 * 3600


class LoginHandler(AxesDatabaseHandler):
    """Counts for axes: what it asks is only whether the limit is reached."""

    def get_failures(self, request, credentials=None) -> int:
        return settings.AXES_FAILURE_LIMIT if free_again_at(request, credentials) else 0

    def user_login_failed(self, sender, credentials, request=None, **kwargs):
        if request is not None:
            # In the place of the browser's own name, so that the rows of one browser are found.
            request.axes_user_agent = (
                known_device(request, get_client_username(request, credentials))
                or request.axes_user_agent
            )
        super().user_login_failed(sender, credentials, request, **kwargs)

    def user_logged_in(self, sender, request, user, **kwargs):
        super().user_logged_in(sender, request, user, **kwargs)
        request.known_to = user.get_username()
        if user.is_staff:
            request.session.set_expiry(settings.STAFF_SESSION_SECONDS)


def free_again_at(request, credentials=None) -> datetime.datetime | None:
    """Return when this name may be tried from here again; None: now."""
    name = get_client_username(request, credentials)
    of_name = AccessAttempt.objects.filter(username=name)
    if device := known_device(request, name):
        counted = [(of_name.filter(user_agent=device), settings.AXES_FAILURE_LIMIT)]
    else:
        address = request.axes_ip_address
        counted = [
            (of_name.filter(ip_address=address), settings.AXES_FAILURE_LIMIT),
            (of_name, settings.LOGIN_FAILURES_BY_NAME),
        ]
        if address is not None:
            from_here = AccessAttempt.objects.filter(ip_address=address)
            counted.append((from_here, settings.FAILURES_BY_ADDRESS))
    return max(filter(None, (below(limit, rows, request) for rows, limit in counted)), default=None)


def below(limit: int, attempts: QuerySet, request) -> datetime.datetime | None:
    """Return when so many of the failures are too old to count that fewer than `limit` do."""
    window = get_cool_off(request)
    since = request.axes_attempt_time - window
    rows = list(
        attempts.filter(attempt_time__gt=since)
        .order_by("attempt_time")
        .values_list("attempt_time", "failures_since_start")
    )
    count = sum(failures for _time, failures in rows)
    if count < limit:
        return None
    while count >= limit:
        time, failures = rows.pop(0)
        count -= failures
    return time + window


def please_wait(request, original_response=None, credentials=None):
    """Say for how long, in the same words whether or not there is such a name."""
    # Not the argument: under ASGI axes passes it in another place.
    until = free_again_at(request, getattr(request, "axes_credentials", None))
    return waiting_page(request, until, _("The password was wrong too often."))


def waiting_page(request, until: datetime.datetime | None, reason: str):
    seconds = (until - request.axes_attempt_time).total_seconds() if until else 0
    minutes = max(1, math.ceil(seconds / 60))
    context = {"reason": reason, "minutes": minutes}
    page = render(request, "please_wait.html", context, status=429)
    page.headers["Retry-After"] = str(minutes * 60)
    return page


# --- The browsers that somebody has logged in from ----------------------------------------------


def known_device(request, name: str | None) -> str:
    """Return what stands for this browser if `name` has logged in from it before, else ""."""
    device, _point, proof = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "").partition(".")
    if not (name and device and constant_time_compare(proof, _proof(device, name))):
        return ""
    return f"known browser {device}"


def _remember(request, response) -> None:
    """Give the cookie to a browser that somebody has just logged in from."""
    if name := getattr(request, "known_to", None):
        # One that is known already keeps its mark, and with it the count of its failures.
        device = known_device(request, name).rpartition(" ")[2] or secrets.token_urlsafe(12)
        response.set_cookie(
            settings.DEVICE_COOKIE_NAME,
            f"{device}.{_proof(device, name)}",
            max_age=DEVICE_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


remember_browsers = changing_responses(_remember)


def _proof(device: str, name: str) -> str:
    # Joined by a sign that no device has, so that no part of one can pass for part of a name.
    return salted_hmac("config.logins", f"{device}.{name}", algorithm="sha256").hexdigest()
