"""Django's page of an error, which DJANGO_DEBUG=1 shows, without this site's secrets.

Django hides settings by their names; a variable of the code at fault, or a URL with a password in
it, it shows.
"""

from django.views.debug import ExceptionReporter

from config.masking import mask_line


class ErrorReport(ExceptionReporter):
    def get_traceback_html(self) -> str:
        return mask_line(super().get_traceback_html())

    def get_traceback_text(self) -> str:
        return mask_line(super().get_traceback_text())
