"""A real SMTP server for tests: it takes every mail, and keeps it.

with SMTPServer(password="secret") as server:     # user: "tutor"
    ...
    mail = server.wait_for_mail()                 # an email.message.EmailMessage
    assert mail["To"] == "alice@example.org"
"""

import base64
import email
import email.policy
import queue
import socketserver
import threading
from email.message import EmailMessage
from typing import Self

USER = "tutor"


class SMTPServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *, password: str = "", refuses: str = ""):
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.port = self.server_address[1]
        self.password = password  # "": nobody has to log in
        self.refuses = refuses  # a recipient
        self.mails: queue.Queue[EmailMessage] = queue.Queue()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """What EMAIL_URL takes."""
        who = f"{USER}:{self.password}@" if self.password else ""
        return f"smtp://{who}127.0.0.1:{self.port}"

    def wait_for_mail(self, timeout: float = 5.0) -> EmailMessage:
        return self.mails.get(timeout=timeout)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Conversation(socketserver.StreamRequestHandler):
    server: SMTPServer

    def handle(self) -> None:
        is_known = not self.server.password
        self.say("220 tests ready")
        for line in self.rfile:
            verb, _, rest = line.decode().strip().partition(" ")
            match verb.upper():
                case "EHLO" | "HELO":
                    self.say("250-tests" if self.server.password else "250 tests")
                    if self.server.password:
                        self.say("250 AUTH PLAIN")
                case "AUTH":
                    said = base64.b64decode(rest.split()[-1]).decode().split("\0")
                    is_known = said[1:] == [USER, self.server.password]
                    self.say("235 welcome" if is_known else "535 wrong user or password")
                case "MAIL" if not is_known:
                    self.say("530 log in first")
                case "RCPT" if self.server.refuses and self.server.refuses in rest:
                    self.say("550 nobody of this name")
                case "DATA":
                    self.say("354 go on")
                    self.keep()
                    self.say("250 kept")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 all right")

    def keep(self) -> None:
        lines = iter(self.rfile.readline, b".\r\n")
        content = b"".join(line.removeprefix(b".") for line in lines)
        self.server.mails.put(email.message_from_bytes(content, policy=email.policy.default))

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())
