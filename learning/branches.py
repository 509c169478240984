"""A conversation is a tree of turns, and one path of it is shown.

An edited question, or an answer that was asked for again, is another version of a turn: it follows
the same turn as the old one, and a branch begins with it. Nothing is ever overwritten.
"""

from collections.abc import Iterator
from uuid import UUID

from learning.models import Conversation, Message


class Branches:
    """The tree of a conversation, without its words, read in one query."""

    def __init__(self, conversation_id: UUID):
        messages = Message.objects.filter(conversation_id=conversation_id).order_by("created_at")
        self._follows: dict[UUID, UUID | None] = {}
        self._answers: list[UUID] = []
        self._versions: dict[UUID | None, list[UUID]] = {}  # by the answer that they follow
        for pk, role, follows, instead_of in messages.values_list(
            "pk", "role", "reply_to_id", "instead_of_id"
        ):
            if role == Message.Role.ASSISTANT:
                self._answers.append(pk)
                self._follows[pk] = follows
                if follows is not None:
                    self._versions.setdefault(self.before(pk), []).append(pk)
            elif follows is not None:
                self._follows[pk] = follows
            elif instead_of is not None:
                self._follows[pk] = self._follows.get(instead_of)
            else:
                self._follows[pk] = self._answers[-1] if self._answers else None

    def question_of(self, answer: UUID) -> UUID | None:
        """Return the question of a turn; None where there is no such turn."""
        return self._follows[answer] if answer in self._answers else None

    def path(self, answer: UUID | None) -> list[UUID]:
        """Return the messages from the first one to this answer, oldest first."""
        return list(self._upwards(answer))[::-1]

    def before(self, answer: UUID) -> UUID | None:
        """Return the answer that this one's question follows; None for the first turn."""
        return self._follows.get(self._follows.get(answer))

    def versions(self, answer: UUID) -> list[UUID]:
        """Return the answers of all versions of a turn, in the order they were asked for."""
        # Without its question an answer stands for itself.
        has_question = self._follows.get(answer) is not None
        return self._versions[self.before(answer)] if has_question else [answer]

    def newest(self, within: UUID | None = None) -> UUID | None:
        """Return the newest answer of all, or of the branches that begin with this one."""
        for answer in reversed(self._answers):
            if within is None or within in self._upwards(answer):
                return answer
        return None

    def _upwards(self, message: UUID | None) -> Iterator[UUID]:
        while message in self._follows:
            yield message
            message = self._follows[message]


def shown_end(conversation: Conversation, branches: Branches) -> UUID | None:
    """Return the answer that the shown path ends with."""
    return conversation.shown_id or branches.newest()


def show(conversation: Conversation, turn: UUID) -> bool:
    """Show the newest branch that holds this turn; return whether there is such a turn."""
    end = Branches(conversation.pk).newest(within=turn)
    if end is None:
        return False
    # By query: `updated_at` orders the list of conversations by their last question.
    Conversation.objects.filter(pk=conversation.pk).update(shown=end)
    conversation.shown_id = end
    return True
