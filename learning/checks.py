"""System checks of the site's own settings; those of search and tracing are beside them."""

from django.conf import settings
from django.core.checks import Tags, Warning, register

HERE = ("localhost", "127.0.0.1", "::1")


@register(Tags.security, deploy=True)
def check_mail(app_configs, **kwargs) -> list[Warning]:
    """The password of the mail server does not travel for everybody to read."""
    is_encrypted = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    if not settings.EMAIL_HOST_PASSWORD or is_encrypted or settings.EMAIL_HOST in HERE:
        return []
    return [
        Warning(
            f"EMAIL_URL sends a password to {settings.EMAIL_HOST} that is not encrypted.",
            hint="Most servers take smtp+tls:// (port 587) or smtps:// (port 465).",
            id="learning.W001",
        )
    ]
