"""How many accounts may be made from one address, and how often a name may be tried there.

What the sign-up page says of a name that is taken cannot be left out without e-mail; that it can
be asked only so often can. Counted in the tables of axes, which all processes share.
"""

from datetime import timedelta

from asgiref.sync import iscoroutinefunction, sync_to_async
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.db.models import F
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext as _

from config.logins import below, waiting_page

HOUR = timedelta(hours=1)
REFUSED_FORM = "(sign-up)"  # in the place of a name, in the admin's list of failed log-ins


@sync_and_async_middleware
def throttle_sign_ups(get_response):
    if iscoroutinefunction(get_response):

        async def middleware(request):
            if not _is_sign_up(request):
                return await get_response(request)
            if refusal := await sync_to_async(_refusal)(request):
                return refusal
            response = await get_response(request)
            await sync_to_async(_count)(request, response)
            return response

    else:

        def middleware(request):
            if not _is_sign_up(request):
                return get_response(request)
            if refusal := _refusal(request):
                return refusal
            response = get_response(request)
            _count(request, response)
            return response

    return middleware


def _is_sign_up(request) -> bool:
    return request.method == "POST" and request.path_info == reverse("signup")


def _refusal(request):
    AxesProxyHandler.update_request(request)
    address = request.axes_ip_address
    # Whoever signs up is logged in, and axes writes down from where.
    made = AccessLog.objects.filter(
        ip_address=address,
        path_info=request.axes_path_info,
        attempt_time__gt=request.axes_attempt_time - HOUR,
    ).order_by("attempt_time")
    if made.count() >= settings.SIGN_UPS_PER_HOUR:
        # Free again when the one that is so many back is an hour old.
        newest = made.reverse()[settings.SIGN_UPS_PER_HOUR - 1]
        until = newest.attempt_time + HOUR
        return waiting_page(request, until, _("Many accounts were made from here within an hour."))
    refused = AccessAttempt.objects.filter(username=REFUSED_FORM, ip_address=address)
    if until := below(settings.FAILURES_BY_ADDRESS, refused, request):
        return waiting_page(request, until, _("Signing up has failed too often from here."))
    return None


def _count(request, response) -> None:
    if response.status_code != 200:  # made, or not even a form of ours
        return
    row, is_new = AccessAttempt.objects.get_or_create(
        username=REFUSED_FORM,
        ip_address=request.axes_ip_address,
        user_agent="",
        defaults={"failures_since_start": 1, "path_info": request.axes_path_info},
    )
    if not is_new:
        AccessAttempt.objects.filter(pk=row.pk).update(
            failures_since_start=F("failures_since_start") + 1,
            attempt_time=request.axes_attempt_time,
        )
