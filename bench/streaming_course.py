"""Students for a load: `python -m bench.streaming_course --students 300`, under bench.settings.

Each has a user, a session and conversations of their own, written by the ORM, so that no log-in is
part of a load. What a client needs of them is left in `students.json` beside the database.
"""

import argparse
import json
from pathlib import Path

from bench import site

CONVERSATIONS = 12  # one question each: a history that grows would make every turn dearer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, required=True)
    count = parser.parse_args().students
    site.start()
    from django.conf import settings

    from learning.models import Conversation, Course, Enrolment, User

    course = Course.objects.get(slug=site.COURSE)
    # One hash for all: nobody logs in with it.
    password = User.objects.get(username="alice").password
    students = User.objects.bulk_create(
        User(username=f"student{n}", email=f"student{n}@example.org", password=password)
        for n in range(count)
    )
    Enrolment.objects.bulk_create(Enrolment(user=user, course=course) for user in students)
    conversations = Conversation.objects.bulk_create(
        Conversation(user=user, course=course) for user in students for _ in range(CONVERSATIONS)
    )
    keys = {user.pk: [] for user in students}
    for conversation in conversations:
        keys[conversation.user_id].append(str(conversation.pk))
    found = [
        {"cookie": f"{settings.SESSION_COOKIE_NAME}={_session_of(user)}", "of": keys[user.pk]}
        for user in students
    ]
    Path(settings.DATA_DIR, "students.json").write_text(json.dumps(found))


def _session_of(user) -> str:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return session.session_key


if __name__ == "__main__":
    main()
