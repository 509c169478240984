"""The quiz of a course: its start, one question after another, the marks at the end."""

import uuid

from django.contrib import messages as notices
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_http_methods, require_POST

from learning import quizzes
from learning.artefacts.items import MULTIPLE, SHORT, TRUE_FALSE
from learning.events import UNSTORABLE
from learning.models import Course, QuizAnswer, QuizAttempt, StudyItem
from learning.quiz_marks import LONGEST_ANSWER, has_typo, mark
from learning.rendering import render_quote
from learning.views.access import (
    login_first,
    turned_away,
    visible_chapter,
    visible_course,
    ways_to_make,
)
from learning.views.quiz_text import shown, shown_in_line

PAST_SHOWN, MISTAKES_SHOWN = 10, 8


def quiz(request, course_slug):
    course = visible_course(request, course_slug)
    if elsewhere := turned_away(request, course):
        return elsewhere
    chapters = quizzes.chapters_with_questions(course, request.user)
    last = quizzes.last_answers(request.user, course)
    mistakes = [row for row in last if row.mark < 1]
    passages = quizzes.passages_for(request.user, [row.item_id for row in mistakes])
    weak = [each for each in quizzes.by_chapter(last, chapters) if each.is_weak]
    return render(
        request,
        "learning/quiz.html",
        {
            "course": course,
            "chapters": chapters,
            "unfinished": quizzes.unfinished(request.user, course),
            "question_count": quizzes.questions(course, request.user).count(),
            "weak_chapters": sorted(weak, key=lambda each: each.marks / each.answers),
            "mistakes": [
                {"text": shown(row.item.content["text"]), "passage": passages[row.item_id][0]}
                for row in mistakes[:MISTAKES_SHOWN]
            ],
            "mistake_count": len(mistakes),
            "attempts": quizzes.past_attempts(request.user, course)[:PAST_SHOWN],
            **ways_to_make(request, course, StudyItem.Kind.QUESTION),
        },
    )


@require_POST
def start(request, course_slug):
    """Begin an attempt: at a chapter, or the course; `only` mistakes, or those `of` an attempt."""
    if not request.user.is_authenticated:
        return login_first(course_slug)
    course = visible_course(request, course_slug)
    if elsewhere := turned_away(request, course):
        return elsewhere
    slug = request.POST.get("chapter")
    chapter = visible_chapter(request, course, slug) if slug else None
    among = None
    if request.POST.get("only") == "mistakes":
        last = quizzes.last_answers(request.user, course)
        among = [row.item_id for row in last if row.mark < 1]
    elif request.POST.get("of"):
        among = quizzes.wrong_items(request.user, course, _uuid(request.POST["of"]))
    attempt = quizzes.start(request.user, course, chapter=chapter, among=among)
    if attempt is None:
        notices.info(request, _("There is no question to ask you there."))
        return redirect("course_quiz", course.slug)
    return redirect(f"{attempt.get_absolute_url()}#quiz-question")


def _uuid(words: str) -> uuid.UUID:
    try:
        return uuid.UUID(words)
    except ValueError:
        raise Http404 from None


@require_http_methods(["GET", "HEAD", "POST"])
def attempt(request, course_slug, attempt_id):
    """Ask the next question, show how one was answered (`?question=3`), or the end."""
    course = visible_course(request, course_slug)
    if elsewhere := turned_away(request, course):
        return elsewhere
    mine = QuizAttempt.objects.filter(user=request.user, course=course)
    row = get_object_or_404(mine.select_related("course", "user", "chapter"), pk=attempt_id)
    if request.method == "POST":
        return _answered(request, row)
    read = quizzes.read(row)
    wanted = request.GET.get("question", "")
    given = next((each for each in read.given if str(each.position) == wanted), None)
    context = {"course": course, "attempt": read, "longest_answer": LONGEST_ANSWER}
    if given is not None:
        context |= _marked(request, course, read, given)
        return render(request, "learning/quiz_question.html", context)
    if read.next is not None:
        context |= _to_answer(read, read.next)
        return render(request, "learning/quiz_question.html", context)
    return render(request, "learning/quiz_end.html", context | _at_the_end(request, course, read))


def _answered(request, attempt_row: QuizAttempt):
    read = quizzes.read(attempt_row)
    position = request.POST.get("question", "")
    asked = next((each for each in read.answers if str(each.position) == position), None)
    here = attempt_row.get_absolute_url()
    if asked is None:  # skipped meanwhile
        notices.info(request, _("This question is not asked any more."))
        return redirect(f"{here}#quiz-question")
    if asked.answered_at is None:
        given = _given(request.POST, asked.asked)
        if request.POST.get("wording") not in (None, quizzes.wording(asked.asked)):
            notices.info(request, _("This question was corrected meanwhile. Here it is anew."))
            return redirect(f"{here}#quiz-question")
        if given is None:
            notices.info(request, _("Choose or write an answer first."))
            return redirect(f"{here}#quiz-question")
        if quizzes.answer(asked, given, mark(asked.asked, given)):
            return redirect(f"{here}?question={asked.position}#result")
    notices.info(request, _("You have answered this question before; that answer counts."))
    return redirect(f"{here}?question={asked.position}#result")


def _given(posted, asked: dict) -> list[int] | str | None:
    """Return what was answered; None where nothing was that can be an answer."""
    if "pass" in posted:
        return "" if asked["type"] == SHORT else []
    if asked["type"] == SHORT:
        words = UNSTORABLE.sub("", posted.get("answer", ""))
        return words.strip()[:LONGEST_ANSWER] or None
    count = 2 if asked["type"] == TRUE_FALSE else len(asked["options"])
    places = {str(place): place for place in range(count)}
    picked = posted.getlist("answer")
    if asked["type"] != MULTIPLE:
        picked = picked[:1]
    if not picked or any(place not in places for place in picked):
        return None
    return sorted({places[place] for place in picked})


def _to_answer(read: quizzes.Attempt, row: QuizAnswer) -> dict:
    """What a question shows before it is answered: nothing of what is right."""
    return {
        "row": row,
        "number": read.answers.index(row) + 1,
        "wording": quizzes.wording(row.asked),
        "text": shown(row.asked["text"]),
        "options": [
            {"place": place, "html": html} for place, html in enumerate(_options(row.asked))
        ],
    }


def _options(asked: dict) -> list:
    if asked["type"] == TRUE_FALSE:
        return [_("True"), _("False")]
    return [shown_in_line(option) for option in asked["options"]]


def _marked(request, course: Course, read: quizzes.Attempt, row: QuizAnswer) -> dict:
    context = {
        "row": row,
        "number": read.answers.index(row) + 1,
        "is_marked": True,
        "is_withheld": not read.is_open(row),
    }
    if context["is_withheld"]:
        return context
    asked = row.asked
    passages = quizzes.passages_for(request.user, [row.item_id])[row.item_id]
    context |= {
        "text": shown(asked["text"]),
        "options": [
            {
                "html": html,
                "is_right": place in asked["right"],
                "is_picked": place in row.given,
            }
            for place, html in enumerate(_options(asked) if asked["type"] != SHORT else [])
        ],
        "explanation": shown(asked["explanation"]),
        "passages": [
            {"title": p.title, "url": p.url, "html": render_quote(p.quote)} for p in passages
        ],
        "for_the_tutor": _for_the_tutor(course, asked),
        "chapter_slug": passages[0].chapter.slug,
    }
    if asked["type"] == SHORT:
        context |= {
            "accepted": [shown_in_line(one) for one in asked["accepted"]],
            "has_typo": has_typo(asked, row.given),
        }
    return context


def _for_the_tutor(course: Course, asked: dict) -> str:
    with override(course.language):
        return _("Please explain this quiz question: “%(question)s” The answer is: %(answer)s.") % {
            "question": asked["text"][:400],
            "answer": "; ".join(_right_ones(asked))[:200],
        }


def _right_ones(asked: dict) -> list[str]:
    if asked["type"] == SHORT:
        return asked["accepted"][:1]
    options = [_("True"), _("False")] if asked["type"] == TRUE_FALSE else asked["options"]
    return [options[place] for place in asked["right"]]


def _at_the_end(request, course: Course, read: quizzes.Attempt) -> dict:
    chapters = quizzes.chapters_with_questions(course, request.user)
    shown_ones = [row for row in read.wrong if read.is_open(row)]
    passages = quizzes.passages_for(request.user, [row.item_id for row in shown_ones])
    return {
        "by_chapter": quizzes.by_chapter(read.given, chapters),
        "wrong": [
            {
                "row": row,
                "text": shown(row.asked["text"]),
                "passage": passages[row.item_id][0],
            }
            for row in shown_ones
        ],
    }
