"""Signing up and in, one's address and password, what is kept. Logging out is Django's view."""

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpResponseRedirect
from django.urls import reverse_lazy
from django.utils.translation import gettext as _
from django.views.generic import FormView, UpdateView

from learning import mail
from learning.forms import EmailForm, SignUpForm
from learning.models import User
from learning.privacy import forget_words
from learning.views.conversations import all_conversations_of
from tracing import conf, pseudonym


class LoginView(auth_views.LoginView):
    template_name = "learning/login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs):
        return super().get_context_data(**kwargs, has_mail=mail.is_set_up())


class SignUpView(auth_views.RedirectURLMixin, FormView):
    """Make an account and log it in; `next` leads back to where the student came from."""

    form_class = SignUpForm
    template_name = "learning/signup.html"
    next_page = reverse_lazy("home")

    def form_valid(self, form):
        user = form.save()
        # There are several backends; a new account belongs to the one that checks passwords.
        login(self.request, user, backend="django.contrib.auth.backends.ModelBackend")
        return super().form_valid(form)

    def get_context_data(self, **kwargs):
        return super().get_context_data(**kwargs, next=self.get_redirect_url())


class OwnUser(LoginRequiredMixin):
    """A form about whoever is logged in."""

    model = User

    def get_object(self, queryset=None):
        # Another object than request.user: what a form refuses must not show in the page's header.
        return User.objects.get(pk=self.request.user.pk)


class AccountView(OwnUser, UpdateView):
    """Change one's own address; the way to one's password and to what is kept."""

    form_class = EmailForm
    template_name = "learning/account.html"
    success_url = reverse_lazy("account")

    def form_valid(self, form):
        form.instance.save(update_fields=["email"])
        messages.success(self.request, _("Your address is saved."))
        return HttpResponseRedirect(self.get_success_url())


class PasswordView(auth_views.PasswordChangeView):
    """Change one's own password; it ends the sessions in all other browsers."""

    template_name = "learning/password.html"
    success_url = reverse_lazy("account")

    def form_valid(self, form):
        messages.success(self.request, _("Your password is changed."))
        return super().form_valid(form)


class PrivacyView(OwnUser, UpdateView):
    """Say what is kept of a person's questions, and let them say that no words are."""

    fields = ("allows_tracing",)
    template_name = "learning/privacy.html"
    success_url = reverse_lazy("privacy")

    def form_valid(self, form):
        user = form.instance
        user.save(update_fields=["allows_tracing"])
        if user.allows_tracing:
            words = _("Saved. From your next question on, the words are kept in the traces.")
        elif forget_words(user):
            words = _("Saved. Traces of your questions hold no words, earlier ones neither.")
        else:
            words = _("Saved. Traces of your questions hold no words; earlier ones lose them now.")
        messages.success(self.request, words)
        return HttpResponseRedirect(self.get_success_url())

    def get_context_data(self, **kwargs):
        return super().get_context_data(
            **kwargs,
            pseudonym=pseudonym(self.request.user),
            is_named=conf.get("USER_ID") == "nickname",
            keeps_words=conf.get("CAPTURE_CONTENT"),
            retention_days=conf.get("RETENTION_DAYS"),
            has_copies=bool(conf.get("EXPORTER")),
            conversations=all_conversations_of(self.request.user),
        )
