"""People, courses, conversations."""

from learning.models.conversation import Citation, Conversation, Message, QuestionCount
from learning.models.course import Chapter, Course, Enrolment
from learning.models.user import User

__all__ = [
    "Chapter",
    "Citation",
    "Conversation",
    "Course",
    "Enrolment",
    "Message",
    "QuestionCount",
    "User",
]
