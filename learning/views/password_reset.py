"""Set a new password in the place of a forgotten one, by a link that comes by mail.

Where no mail server is set up there are no such pages.
"""

from axes.helpers import get_client_ip_address
from axes.utils import reset as forget_failures
from django.contrib import messages
from django.contrib.auth import views as auth_views
from django.http import Http404
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.views.generic import TemplateView

from learning import mail
from learning.password_reset import ResetForm, may_ask


class NeedsMail:
    def dispatch(self, request, *args, **kwargs):
        if not mail.is_set_up():
            raise Http404
        return super().dispatch(request, *args, **kwargs)


class AskView(NeedsMail, auth_views.PasswordResetView):
    """Take an address; the answer is the same whether or not anybody has it."""

    form_class = ResetForm
    template_name = "learning/password_reset.html"
    subject_template_name = "learning/mail/password_reset_subject.txt"
    email_template_name = "learning/mail/password_reset.txt"
    success_url = reverse_lazy("password_reset_sent")

    def form_valid(self, form):
        if may_ask(form.cleaned_data["email"], get_client_ip_address(self.request)):
            return super().form_valid(form)
        form.add_error(None, _("Such a mail was asked for too often. Try again in an hour."))
        return self.render_to_response(self.get_context_data(form=form), status=429)


class SentView(NeedsMail, TemplateView):
    template_name = "learning/password_reset_sent.html"


class SetView(NeedsMail, auth_views.PasswordResetConfirmView):
    """Set it. It ends the sessions in all browsers; tries that failed count no longer."""

    template_name = "learning/password_reset_set.html"
    success_url = reverse_lazy("login")

    def form_valid(self, form):
        response = super().form_valid(form)
        forget_failures(username=self.user.get_username())
        messages.success(self.request, _("Your password is changed. Log in with the new one."))
        return response
