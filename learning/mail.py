"""Send a mail without waiting for the mail server.

Each goes from a thread of its own: a server that is dead or slow holds up no page, and how long a
page takes does not tell whether there was a mail to send. One that cannot be sent is a line of the
log, and no more: whoever waits for it asks again.
"""

import logging
import threading
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

MOST_AT_ONCE = 20

logger = logging.getLogger(__name__)
_places = threading.BoundedSemaphore(MOST_AT_ONCE)


def is_set_up() -> bool:
    """Whether this site has a server to hand mail in."""
    return bool(settings.EMAIL_HOST)


def send_soon(message: EmailMessage) -> None:
    if not _places.acquire(blocking=False):
        logger.error("a mail was not sent: %d others are being sent", MOST_AT_ONCE)
        return
    message.connection = get_connection()
    # A daemon: a server that hangs does not hold up the end of this process either.
    threading.Thread(target=_send, args=(message,), name="mail", daemon=True).start()


def _send(message: EmailMessage) -> None:
    try:
        try:
            message.send()
        finally:
            message.connection.close()  # Django leaves it open where the server has refused it
    except (OSError, SMTPException) as error:
        logger.error("a mail was not sent: %s: %s", type(error).__name__, error)
    finally:
        _places.release()
