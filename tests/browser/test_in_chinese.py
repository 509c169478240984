"""The ways of students and teachers with the product in Chinese, on a Chinese course.

Each walks one way through and looks at every page on it: nothing of ours may be English there. What
is pressed is named by its English text, as the code has it.
"""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.delivered import Delivered
from tests.browser.steps import (
    answer_quiz_question,
    ask,
    choose,
    choose_chinese,
    compose,
    expect_end,
    last_answer,
    log_in,
    mark_words,
    new_student,
    press,
    untranslated,
    words,
)
from tests.catalogs import chinese
from tests.servers.openai_script import WAIT

COURSE = "/courses/machine-learning-zh/"
ENGLISH = "/courses/calculus/"


@pytest.fixture
def student(visitor: Page) -> Page:
    """A new student on a chapter of the Chinese course, who has chosen Chinese there."""
    new_student(visitor, "overfitting", course="machine-learning-zh")
    choose_chinese(visitor)
    return visitor


@pytest.fixture
def teacher(visitor: Page, delivered: Delivered) -> Page:
    log_in(visitor, delivered.url, "teacher", delivered.password)
    choose_chinese(visitor)
    return visitor


def look(page: Page) -> None:
    assert untranslated(page) == []


def button(page: Page | Locator, text: str, context: str | None = None, **places) -> Locator:
    return page.get_by_role("button", name=chinese(text, context, **places), exact=True)


def link(page: Page | Locator, text: str, context: str | None = None, **places) -> Locator:
    return page.get_by_role("link", name=chinese(text, context, **places), exact=True)


def announced(page: Page, text: str) -> None:
    expect(page.locator("[data-announce]")).to_have_text(chinese(text))


def questions(page: Page) -> Locator:
    return page.locator("[data-log] .question")


# --- Students --------------------------------------------------------------------------------


def test_a_student_finds_a_chapter_and_asks_about_its_words(student, delivered):
    student.goto("/")
    look(student)
    student.get_by_role("link", name="机器学习入门").first.click()
    expect(student.get_by_role("heading", level=1)).to_have_text("机器学习入门")
    look(student)
    student.get_by_role("link", name="过拟合、正则化与模型评估").first.click()
    starters = student.get_by_role("group", name=chinese("Questions to begin with"))
    expect(starters.get_by_role("button").first).to_be_visible()
    look(student)

    marked = mark_words(student)
    button(student, "Ask about this").press("Enter")
    field = student.locator("[data-question]")
    expect(field).to_have_value(re.compile(re.escape(marked)))
    look(student)

    field.fill("")
    compose(student, "guo'ni'he")
    student.keyboard.press("Enter")
    expect(questions(student)).to_have_count(0)
    choose(student, "什么是过拟合？")
    student.wait_for_timeout(50)  # a hand is not quicker
    delivered.openai.answers("**过拟合**", WAIT, "就是背答案。")
    student.keyboard.press("Enter")
    expect(questions(student)).to_have_count(1)
    expect(words(student)).to_have_text("过拟合")
    look(student)

    button(student, "Stop").press("Enter")
    expect_end(student, "stopped")
    expect(last_answer(student)).to_contain_text(chinese("Stopped."))
    look(student)


def test_a_student_asks_again_and_otherwise_and_judges(student, delivered):
    delivered.openai.answers("第一个回答 [1]。\n\n```python\nprint(1)\n```")
    ask(student, "什么是过拟合？")
    expect_end(student)
    delivered.openai.answers("第二个回答 [1]。")
    button(student, "Answer again").click()
    expect(words(student)).to_contain_text("第二个回答")
    expect_end(student)
    look(student)
    button(student, "Previous version").click()
    expect(words(student)).to_contain_text("第一个回答")

    button(student, "Edit this question").click()
    editor = questions(student).get_by_role("textbox")
    compose(student, "xue'xi'lv")
    student.keyboard.press("Enter")
    expect(editor).to_be_visible()
    choose(student, "什么是学习率？")
    look(student)
    student.wait_for_timeout(50)  # a hand is not quicker
    delivered.openai.answers("**学习率**是步长 [1]。")
    student.keyboard.press("Enter")
    expect(words(student)).to_have_text("学习率是步长 1。")
    expect_end(student)

    button(last_answer(student), "Copy the answer").click()
    announced(student, "Copied")
    look(student)
    assert student.evaluate("navigator.clipboard.readText()") == "**学习率**是步长 [1]。"
    button(last_answer(student), "Not helpful").click()
    announced(student, "Thank you. Your feedback is kept.")
    student.get_by_label(chinese("I do not understand it.")).check()
    look(student)
    button(last_answer(student), "Save", "feedback").click()
    expect(student.get_by_label(chinese("I do not understand it."))).to_be_hidden()

    last_answer(student).locator("[data-sources] > summary").first.click()
    look(student)
    words(student).locator("a.cite").click()
    expect(student.locator(".cited").first).to_be_in_viewport()


def test_a_question_that_fails_is_told_in_chinese(student, delivered):
    delivered.openai.fails(401)
    ask(student, "什么是过拟合？")
    expect_end(student, "failed")
    look(student)

    student.locator("[data-question]").fill("长" * 4_001)
    expect(student.locator("[data-counter]").first).to_be_visible()
    look(student)


def test_a_student_finds_renames_exports_and_deletes_a_conversation(student, delivered):
    delivered.openai.answers("是步长。")
    ask(student, "什么是学习率？")
    expect_end(student)
    student.goto(COURSE)
    link(student, "Find, rename or export conversations").click()
    look(student)

    student.get_by_label(chinese("Words in titles, questions and answers")).focus()
    compose(student, "bu'chang")
    student.keyboard.press("Enter")
    choose(student, "步长")
    student.keyboard.press("Enter")
    expect(student).to_have_url(re.compile(r"\?q="))
    expect(student.get_by_role("status")).to_have_text(chinese("%(n)s conversation", n=1))
    look(student)
    with student.expect_download() as download:
        link(student, "Export “%(title)s”", title="什么是学习率？").click()
    exported = download.value.path().read_text()
    assert download.value.suggested_filename == "什么是学习率？.md"
    assert "是步长。" in exported
    assert not re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", exported), exported

    student.locator("[data-rename] summary").click()
    student.get_by_label(chinese("New title")).fill("步子有多大")
    button(student, "Save", "a title").click()
    look(student)
    link(student, "Delete “%(title)s”", title="步子有多大").click()
    look(student)
    button(student, "Delete it").click()
    expect(student.get_by_role("status").first).to_be_visible()
    look(student)


def test_a_student_goes_from_a_word_and_from_a_concept_to_the_tutor(student):
    for page, first in (("words", ".cloud a"), ("graph", ".nodes a")):
        student.goto(f"{COURSE}{page}/")
        look(student)
        student.locator(first).first.press("Enter")
        panel = student.locator(".item-panel")
        expect(panel).to_be_focused()
        look(student)
        name = panel.get_by_role("heading", level=2).inner_text()
        press(student, "button", chinese("Ask the tutor"))
        expect(student.locator("[data-question]")).to_have_value(re.compile(re.escape(name)))
        look(student)


def test_a_student_takes_a_quiz_by_keyboard(student):
    student.goto(f"{COURSE}quiz/")
    look(student)
    press(student, "button", chinese("Start with the whole course"))
    marks = []
    while not student.locator("#quiz-end").count():
        look(student)
        marks.append(answer_quiz_question(student, "学习率"))
        look(student)
        ends = student.get_by_text(chinese("See the result")).count()
        press(student, "link", chinese("See the result" if ends else "Next question"))
        expect(student.locator("#quiz-question, #quiz-end")).to_be_focused()
    expect(student.locator("#quiz-end")).to_contain_text(f"{marks.count('right')}")
    look(student)
    press(student, "link", chinese("Back to the quiz"))
    expect(student.get_by_role("heading", name=chinese("My attempts"))).to_be_visible()
    look(student)


def test_a_student_decides_about_traces_and_changes_the_password(student, delivered):
    student.goto("/accounts/privacy/")
    look(student)
    student.get_by_label(chinese("Traces of my questions may hold the words")).uncheck()
    button(student, "Save").click()
    expect(student.get_by_role("status")).to_be_visible()
    look(student)
    student.goto("/accounts/password/")
    student.locator("[type=password]").last.fill("x")
    student.locator("main form button").click()
    look(student)
    button(student, "Log out", "site header").click()
    look(student)
    for address in ("login", "signup"):
        student.goto(f"/accounts/{address}/")
        student.locator("[name^=username]").fill("mei")
        for field in student.locator("[type=password]").all():
            field.fill("12345678")
        if address == "signup":
            student.locator("[name=email]").fill("mei@example.org")
        student.locator("main form button").click()
        expect(student.get_by_role("alert").or_(student.locator(".errors")).first).to_be_visible()
        look(student)


@pytest.mark.parametrize(
    ("language", "date", "count"),
    [("en", "Nov. 23, 2026, 9:05 a.m.", "3 questions"), ("zh", "2026年11月23日 09:05", "3 个问题")],
)
def test_dates_and_counts_have_the_form_of_the_language(visitor, delivered, language, date, count):
    log_in(visitor, delivered.url, "mei", delivered.password)
    if language == "zh":
        choose_chinese(visitor)
    visitor.goto(f"{COURSE}history/")

    line = visitor.get_by_role("listitem").filter(has_text="什么是过拟合？").locator(".hint")
    expect(line).to_have_text(re.compile(rf"^{re.escape(date)} · {count}$"))


# --- Teachers --------------------------------------------------------------------------------


def open_course(teacher: Page) -> None:
    teacher.goto("/admin/learning/course/")
    look(teacher)
    teacher.get_by_role("link", name="机器学习入门", exact=True).click()
    expect(teacher.locator("#study-panel")).to_be_visible()
    look(teacher)


def test_a_teacher_looks_after_a_course(teacher, delivered):
    teacher.goto("/admin/")
    look(teacher)
    open_course(teacher)
    link(teacher, "Try a question").click()
    look(teacher)
    teacher.get_by_label(chinese("Question")).fill("什么是过拟合？")
    button(teacher, "Search").click()
    expect(teacher.locator(".desk-passages li").first).to_be_visible()
    look(teacher)
    teacher.go_back()
    teacher.go_back()

    link(teacher, "What students ask").click()
    expect(teacher.get_by_text("太短")).to_be_visible()
    look(teacher)
    teacher.go_back()

    link(teacher, "Enrol students").click()
    look(teacher)
    teacher.locator("#names").fill("student\nnobody")
    button(teacher, "Enrol").click()
    expect(teacher.get_by_text("nobody").first).to_be_visible()
    look(teacher)
    button(teacher, "Make a link").click()
    expect(teacher.locator(".desk-link")).to_have_value(re.compile("/enrol/"))
    look(teacher)
    address = teacher.locator(".desk-link").input_value()
    button(teacher, "Remove the link").click()
    expect(teacher.locator(".desk-link")).to_have_count(0)
    look(teacher)
    teacher.goto(address)
    expect(teacher.get_by_role("heading", level=1)).to_have_text(chinese("Not found"))
    look(teacher)

    open_course(teacher)
    link(teacher, "results").click()
    look(teacher)


def test_a_teacher_sees_what_is_written_and_decides_what_students_see(teacher):
    teacher.goto("/admin/learning/chapter/")
    look(teacher)
    teacher.locator("#result_list a[href*='/change/']").first.click()
    field = teacher.locator("#id_text")
    field.focus()
    teacher.keyboard.press("Control+A")
    compose(teacher, "gai'nian")
    choose(teacher, "## 概念\n\n它是 $x^2$。")
    preview = teacher.locator("[data-preview-text]")
    expect(preview.get_by_role("heading", name="概念")).to_be_visible()
    expect(preview.locator("math")).to_be_visible()
    look(teacher)

    teacher.goto("/admin/learning/studyitem/review/")
    look(teacher)
    teacher.goto("/admin/learning/studyitem/review/?status=approved&kind=term")
    look(teacher)
    name = teacher.locator(".rv-name").inner_text()
    press(teacher, "link", chinese("Edit"))
    expect(teacher.get_by_label(chinese("Name"), exact=True)).to_be_visible()
    look(teacher)
    teacher.go_back()
    teacher.keyboard.press("r")
    expect(teacher.locator(".rv-last")).to_contain_text(name)
    look(teacher)
    teacher.keyboard.press("u")
    expect(teacher.locator(".rv-name")).to_have_text(name)
    teacher.keyboard.press("?")
    expect(teacher.get_by_text(chinese("Undo the last decision"))).to_be_visible()
    look(teacher)
