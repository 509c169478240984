"""People, courses, conversations, and what is made of a course."""

from learning.models.artefact import ItemPassage, StudyArtefact, StudyItem
from learning.models.conversation import (
    Citation,
    Conversation,
    Feedback,
    Message,
    QuestionCount,
)
from learning.models.course import Chapter, Course, Enrolment, Reading
from learning.models.course_import import CourseImport
from learning.models.image import CourseImage
from learning.models.job import Job
from learning.models.quiz import QuizAnswer, QuizAttempt
from learning.models.user import User

__all__ = [
    "Chapter",
    "Citation",
    "Conversation",
    "Course",
    "CourseImage",
    "CourseImport",
    "Enrolment",
    "Feedback",
    "ItemPassage",
    "Job",
    "Message",
    "QuestionCount",
    "QuizAnswer",
    "QuizAttempt",
    "Reading",
    "StudyArtefact",
    "StudyItem",
    "User",
]
