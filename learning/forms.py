"""What people fill in on their way to a course, and about themselves."""

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import PasswordChangeForm, UserCreationForm
from django.utils.translation import gettext_lazy as _

from learning import mail


class SignUpForm(UserCreationForm):
    """A name, an address and a password, twice."""

    email = forms.EmailField(
        label=_("Email"), widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )

    class Meta(UserCreationForm.Meta):
        model = get_user_model()
        fields = ("username", "email")


class EmailForm(forms.ModelForm):
    """One's own address. It takes the password: by the address, a new one can be set."""

    password = forms.CharField(
        label=_("Your present password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    class Meta:
        model = get_user_model()
        fields = ("email",)
        labels = {"email": _("Email")}
        widgets = {"email": forms.EmailInput(attrs={"autocomplete": "email"})}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if mail.is_set_up():
            self.fields["email"].help_text = _(
                "A forgotten password can be set anew by a mail to it."
            )

    def clean_password(self) -> str:
        password = self.cleaned_data["password"]
        if not self.instance.check_password(password):
            words = PasswordChangeForm.error_messages["password_incorrect"]
            raise forms.ValidationError(words, code="password_incorrect")
        return password
