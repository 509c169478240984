"""The whole turn of the product: question saved, passages found, prompt, stream, answer saved.

Everything but the browser: what would go to the tabs is made and thrown away.
"""

import uuid
from contextlib import contextmanager

from bench import site
from tracing.recorder import Recorder


class NullRecorder(Recorder):
    """Tracing switched off: blocks are entered and left, and nobody takes them."""

    def started(self, trace): ...

    def finished(self, trace): ...

    def scored(self, score): ...


class ProductTurn:
    """One student asking one question after the other."""

    def __init__(self, model: str):
        site.start()
        from django.conf import settings

        settings.TUTOR["CHAT_MODEL"] = model
        from learning.models import Course, User

        self.user = User.objects.get(username="alice")
        self.course = Course.objects.get(slug=site.COURSE)

    async def ask(self) -> None:
        from asgiref.sync import sync_to_async

        from learning.events import Ask
        from learning.models import Conversation
        from learning.turns.turn import Turn

        # One conversation each: a history that grows would make every turn dearer than the last.
        conversation = await sync_to_async(Conversation.objects.create)(
            user=self.user, course=self.course
        )
        ask = Ask(id=str(uuid.uuid4()), text="Where does photosynthesis happen?", chapter="")
        turn = Turn(conversation, ask, _show)
        await turn.save_question()
        await turn.run()
        if turn.status != "complete":
            raise RuntimeError(f"a turn ended {turn.status}: {turn.trace.status_message}")


def _show(event) -> None:
    from learning.events import dumps

    dumps(event)


@contextmanager
def tracing_off():
    """Run the block with a recorder that does nothing."""
    from tracing import recorder

    before = recorder.use_recorder(NullRecorder())
    try:
        yield
    finally:
        recorder.use_recorder(before)
