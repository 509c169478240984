"""A forgotten password: the mail with the link to set a new one, and how often it is to be had.

Whether there is an account with an address shows in nothing: not in words, not in a count, not in
the time it takes.
"""

from datetime import timedelta

from axes.models import AccessLog
from django.conf import settings
from django.contrib.auth.forms import PasswordResetForm
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.crypto import salted_hmac

from learning import mail

HOUR = timedelta(hours=1)
ASKED_FOR = "(password reset)"  # in the place of a page, in the admin's list of log-ins


class ResetForm(PasswordResetForm):
    """Takes an address, and sends its accounts their mails, in the language of the page."""

    def send_mail(
        self,
        subject_template_name,
        email_template_name,
        context,
        from_email,
        to_email,
        html_email_template_name=None,
    ):
        subject = render_to_string(subject_template_name, context).strip()
        words = render_to_string(email_template_name, context)
        mail.send_soon(EmailMessage(subject, words, from_email, [to_email]))


def may_ask(email: str, client_address: str | None) -> bool:
    """Count one more wish for a mail; return whether it is within the limits.

    Counted in a table of axes, which all processes share; without the address itself, which may be
    that of somebody who has nothing to do with this site.
    """
    name = salted_hmac("learning.password_reset", email.casefold()).hexdigest()
    now = timezone.now()
    lately = AccessLog.objects.filter(path_info=ASKED_FOR, attempt_time__gt=now - HOUR)
    if (
        lately.filter(username=name).count() >= settings.RESETS_BY_EMAIL
        or lately.filter(ip_address=client_address).count() >= settings.RESETS_BY_ADDRESS
    ):
        return False
    AccessLog.objects.create(username=name, ip_address=client_address, path_info=ASKED_FOR)
    return True
