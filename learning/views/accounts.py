"""Signing up and logging in. Logging out is Django's own view."""

from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.urls import reverse_lazy
from django.views.generic import FormView

from learning.forms import SignUpForm


class LoginView(auth_views.LoginView):
    template_name = "learning/login.html"
    redirect_authenticated_user = True


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
