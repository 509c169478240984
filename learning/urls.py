"""The addresses of students' pages."""

from django.contrib.auth.views import LogoutView
from django.urls import include, path

from learning.views import (
    accounts,
    conversations,
    courses,
    enrolling,
    feedback,
    graph,
    history,
    images,
    password_reset,
    quiz,
    suggestions,
    words,
)

# `str`, not `slug`: names of courses and chapters may be Chinese.
urlpatterns = [
    path("", courses.home, name="home"),
    path("courses/<str:course_slug>/", courses.course, name="course"),
    path("courses/<str:course_slug>/enrol/", courses.enrol, name="enrol"),
    path(
        "courses/<str:course_slug>/enrol/<str:key>/",
        enrolling.enrol_by_link,
        name="enrol_by_link",
    ),
    path("courses/<str:course_slug>/chapters/<str:chapter_slug>/", courses.chapter, name="chapter"),
    path("courses/<str:course_slug>/chapters/<str:chapter_slug>/read/", courses.read, name="read"),
    path(
        "courses/<str:course_slug>/images/<str:sha256>.<str:kind>",
        images.image,
        name="course_image",
    ),
    path(
        "courses/<str:course_slug>/conversations/",
        conversations.start,
        name="conversation_start",
    ),
    path("courses/<str:course_slug>/history/", history.history, name="course_history"),
    path(
        "courses/<str:course_slug>/suggestions/", suggestions.of_course, name="course_suggestions"
    ),
    path("courses/<str:course_slug>/quiz/", quiz.quiz, name="course_quiz"),
    path("courses/<str:course_slug>/quiz/start/", quiz.start, name="quiz_start"),
    path("courses/<str:course_slug>/quiz/<uuid:attempt_id>/", quiz.attempt, name="quiz_attempt"),
    path("courses/<str:course_slug>/graph/", graph.graph, name="course_graph"),
    path("courses/<str:course_slug>/words/", words.words, name="course_words"),
    path("conversations/<uuid:conversation_id>/", conversations.conversation, name="conversation"),
    path(
        "conversations/<uuid:conversation_id>/show/",
        conversations.show,
        name="conversation_show",
    ),
    path(
        "conversations/<uuid:conversation_id>/delete/",
        conversations.delete,
        name="conversation_delete",
    ),
    path(
        "conversations/<uuid:conversation_id>/rename/",
        history.rename,
        name="conversation_rename",
    ),
    path(
        "conversations/<uuid:conversation_id>/export/",
        history.export,
        name="conversation_export",
    ),
    path(
        "conversations/<uuid:conversation_id>/suggestions/",
        suggestions.of_conversation,
        name="conversation_suggestions",
    ),
    path(
        "conversations/<uuid:conversation_id>/feedback/",
        feedback.feedback,
        name="conversation_feedback",
    ),
    path("accounts/login/", accounts.LoginView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("accounts/signup/", accounts.SignUpView.as_view(), name="signup"),
    path("accounts/", accounts.AccountView.as_view(), name="account"),
    path("accounts/password/", accounts.PasswordView.as_view(), name="password"),
    path("accounts/password/reset/", password_reset.AskView.as_view(), name="password_reset"),
    path(
        "accounts/password/reset/sent/",
        password_reset.SentView.as_view(),
        name="password_reset_sent",
    ),
    path(
        "accounts/password/reset/<uidb64>/<token>/",
        password_reset.SetView.as_view(),
        name="password_reset_confirm",
    ),
    path("accounts/privacy/", accounts.PrivacyView.as_view(), name="privacy"),
    path("i18n/", include("django.conf.urls.i18n")),
]
