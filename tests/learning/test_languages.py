"""The product in Simplified Chinese: every page, every word, and the catalogs they come from."""

import gettext
import os
import re
import shutil
from html import unescape
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.core.management import call_command
from django.utils import translation
from django.views.defaults import server_error

from learning.models import Course, Enrolment, Message
from tests.catalogs import entries_of
from tests.learning.chat import Tab

APPS = ("learning", "rag", "tracing")
CATALOG = "locale/zh_Hans/LC_MESSAGES/django.po"
CHINESE = re.compile(r"[\u3400-\u9fff]")
IN_A_BROWSER_SET_TO_CHINESE = {"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}

PAGES = {
    "/": "我的课程",
    "/courses/botany/": "开始阅读",
    "/courses/botany/chapters/light/": "第 1 章，共 2 章",
    "/courses/botany/quiz/": "测验",
    "/courses/botany/graph/": "知识图谱",
    "/courses/botany/words/": "词云",
    "conversation": "每个回答都会附上所依据的原文。",
    "/nowhere/": "页面不存在",
}
PAGES_OF_VISITORS = {
    "/": "读课程，随时提问，看清答案的出处。",
    "/accounts/login/": "还没有账号？",
    "/accounts/signup/": "已有账号？",
    "/courses/botany/": "加入课程",
    "/nowhere/": "页面不存在",
}
# Names, and what is meant to be typed as it stands.
NOT_TO_BE_TRANSLATED = set(
    "Coursetrace English JavaScript OPENAI_API_KEY OPENAI_BASE_URL alice".split()
)


@pytest.fixture(autouse=True)
def english_for_the_tests_to_come():
    # A request leaves its language behind in the thread.
    with translation.override(settings.LANGUAGE_CODE):
        yield


@pytest.fixture
def botany(alice) -> Course:
    """A course in Chinese, so that what is English on its pages is the product's."""
    course = Course.objects.create(
        slug="botany", title="植物学", language="zh-hans", is_open=True, summary="认识植物。"
    )
    for position, (slug, title) in enumerate((("light", "光合作用"), ("roots", "根")), start=1):
        text = "## 是什么\n\n植物吸收光。"
        course.chapters.create(slug=slug, title=title, position=position, text=text)
    Enrolment.objects.create(user=alice, course=course)
    return course


@pytest.fixture
def as_alice(client, alice, botany):
    client.force_login(alice)
    return client


@pytest.fixture
def asked(alice, botany):
    """Alice's conversation, in which one question was answered and another failed."""
    conversation = alice.conversations.create(course=botany, title="什么是光合作用？")
    for ask_id, status in (("1", Message.Status.COMPLETE), ("2", Message.Status.FAILED)):
        question = conversation.messages.create(
            role=Message.Role.USER, text="什么是光合作用？", ask_id=ask_id
        )
        answer = conversation.messages.create(
            role=Message.Role.ASSISTANT, text="见 [1]。", reply_to=question, status=status
        )
        answer.citations.create(
            number=1, title="光合作用", quote="植物吸收光。", start=0, end=6, score=1.0
        )
    return conversation


def text_of(response) -> str:
    assert response.status_code in (200, 404)
    return response.content.decode()


def english_words(page: str) -> set[str]:
    """The English that a person sees or hears on a page, names apart."""
    spoken = re.findall(r'\s(?:aria-label|placeholder|data-word-\w+|title|alt)="([^"]*)"', page)
    spoken = [re.sub(r"\{\w+\}", "", words) for words in spoken]  # places that a script fills
    seen = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    words = re.findall(r"[A-Za-z][A-Za-z_]+", unescape(" ".join([seen, *spoken])))
    return set(words) - NOT_TO_BE_TRANSLATED


# --- Pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "words"), PAGES.items())
def test_pages_are_chinese_for_a_browser_set_to_chinese(as_alice, asked, address, words):
    address = asked.get_absolute_url() if address == "conversation" else address

    page = text_of(as_alice.get(address, headers=IN_A_BROWSER_SET_TO_CHINESE))

    assert words in page
    assert '<html lang="zh-Hans">' in page
    assert english_words(page) == set()


@pytest.mark.parametrize(("address", "words"), PAGES_OF_VISITORS.items())
def test_pages_of_visitors_are_chinese_too(client, botany, address, words):
    page = text_of(client.get(address, headers=IN_A_BROWSER_SET_TO_CHINESE))

    assert words in page
    assert '<html lang="zh-Hans">' in page
    assert english_words(page) == set()


@pytest.mark.parametrize("address", PAGES)
def test_the_language_switch_wins_over_the_browser(as_alice, asked, address):
    address = asked.get_absolute_url() if address == "conversation" else address
    as_alice.post("/i18n/setlang/", {"language": "zh-hans"})

    page = text_of(as_alice.get(address, headers={"accept-language": "en"}))

    assert '<html lang="zh-Hans">' in page
    assert english_words(page) == set()


def test_the_language_switch_leads_back_to_english_and_to_the_same_page(client, botany):
    response = client.post(
        "/i18n/setlang/",
        {"language": "en", "next": "/accounts/login/"},
        headers=IN_A_BROWSER_SET_TO_CHINESE,
        follow=True,
    )

    assert response.redirect_chain == [("/accounts/login/", 302)]
    assert '<html lang="en">' in text_of(response)
    assert "New here?" in text_of(response)


@pytest.mark.parametrize("language", ["", "en-GB", "fr", "zz;q=x"])
def test_other_browsers_are_given_english(client, db, language):
    page = text_of(client.get("/accounts/login/", headers={"accept-language": language}))

    assert '<html lang="en">' in page
    assert not CHINESE.search(page.replace("简体中文", ""))


def test_our_own_words_in_a_course_of_another_language_say_their_language(as_alice, botany):
    Course.objects.update(language="en")

    page = text_of(
        as_alice.get("/courses/botany/chapters/light/", headers=IN_A_BROWSER_SET_TO_CHINESE)
    )

    assert '<article lang="en">' in page
    assert '<p class="number" lang="zh-Hans">第 1 章，共 2 章</p>' in page
    assert '<summary lang="zh-Hans">本页目录</summary>' in page
    assert '<small lang="zh-Hans">下一章</small>' in page


def test_dates_follow_the_language(as_alice, asked):
    page = text_of(as_alice.get("/courses/botany/", headers=IN_A_BROWSER_SET_TO_CHINESE))

    assert re.search(r"<time [^>]*>\d{4}年\d{1,2}月\d{1,2}日</time>", page)


def test_the_page_for_our_own_faults_is_chinese(rf):
    with translation.override("zh-hans"):
        page = server_error(rf.get("/")).content.decode()

    assert '<html lang="zh-Hans">' in page
    assert english_words(page) == set()


def test_a_wrong_password_is_refused_in_chinese(client, db):
    response = client.post(
        "/accounts/login/",
        {"username": "alice", "password": "wrong"},
        headers=IN_A_BROWSER_SET_TO_CHINESE,
    )

    assert "用户名和密码" in text_of(response)
    assert english_words(text_of(response)) == set()


def test_the_admin_names_everything_of_ours_in_chinese():
    labels = []
    with translation.override("zh-hans"):
        for model, model_admin in admin.site._registry.items():
            if model._meta.app_label not in APPS:
                continue
            shown = {*model_admin.list_display, *(model_admin.fields or ())}
            labels += [label_for_field(name, model, model_admin) for name in shown]
            labels += [field.verbose_name for field in model._meta.fields if not field.primary_key]
            labels += [label for field in model._meta.fields for _, label in field.flatchoices]
            labels += [model._meta.verbose_name, model._meta.verbose_name_plural]
            labels += [apps.get_app_config(model._meta.app_label).verbose_name]

        labels = {str(label) for label in labels}

    assert len(labels) > 100
    assert {label for label in labels if not CHINESE.search(label)} == {"Token"}


# --- The chat -------------------------------------------------------------------------------------


class TabInChinese(Tab):
    async def cookie(self) -> str:
        return f"{await super().cookie()}; {settings.LANGUAGE_COOKIE_NAME}=zh-hans"


@pytest.mark.django_db(transaction=True)
async def test_a_question_is_rejected_in_the_students_language(conversation, alice):
    tab = await TabInChinese(conversation.pk, alice).open()

    await tab.ask("")

    rejection = await tab.until("turn.rejected")
    assert (rejection["code"], rejection["message"]) == ("empty", "请先输入问题。")
    await tab.close()


@pytest.mark.django_db(transaction=True)
async def test_a_frame_that_makes_no_sense_is_refused_in_the_students_language(conversation, alice):
    tab = await TabInChinese(conversation.pk, alice).open()

    await tab.send({"type": "dance"})

    assert "只能是" in (await tab.until("error"))["message"]
    await tab.close()


@pytest.mark.django_db(transaction=True)
async def test_each_tab_is_answered_in_its_own_language(conversation, alice, tab):
    chinese = await TabInChinese(conversation.pk, alice).open()

    await chinese.ask("")
    await tab.ask("")

    assert (await tab.until("turn.rejected"))["message"] == "Write a question first."
    await chinese.close()


@pytest.mark.django_db(transaction=True)
async def test_an_answer_fails_in_the_students_language(conversation, alice, chat_model):
    chat_model.fails(401)
    tab = await TabInChinese(conversation.pk, alice).open()

    await tab.ask("What is photosynthesis?")

    assert (await tab.until("turn.finished"))["message"] == "助教的设置有误，请告诉你的老师。"
    await tab.close()


# --- The catalogs ---------------------------------------------------------------------------------


@pytest.fixture(params=("config", *APPS))
def app(request) -> Path:
    return settings.BASE_DIR / request.param


def test_nothing_is_left_untranslated(app):
    unfinished = [
        entry.id
        for entry in entries_of(app / CATALOG)
        if entry.is_fuzzy or not all(entry.translations)
    ]

    assert unfinished == []


def test_translations_keep_the_placeholders_and_the_markup(app):
    marks = re.compile(r"%(?:\(\w+\))?[a-z]|</?\w+>|\{\w*\}")
    for entry in entries_of(app / CATALOG):
        wanted = sorted(marks.findall(entry.plural or entry.id))
        for text in entry.translations:
            assert sorted(marks.findall(text)) == wanted, entry.id


def test_the_compiled_catalog_is_the_written_one(app):
    with (app / CATALOG).with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    for entry in entries_of(app / CATALOG):
        said = (
            compiled.pgettext(entry.context, entry.id)
            if entry.context
            else compiled.ngettext(entry.id, entry.plural, 2)
            if entry.plural
            else compiled.gettext(entry.id)
        )
        assert said == entry.translations[-1], "run `make messages`"


def test_what_is_written_here_is_what_people_read(app):
    # Apps share one catalog, and the first in INSTALLED_APPS wins: Django's admin says "Log out"
    # in its own way. A word that means something else here needs a context.
    with translation.override("zh-hans"):
        for entry in entries_of(app / CATALOG):
            said = (
                translation.pgettext(entry.context, entry.id)
                if entry.context
                else translation.gettext(entry.id)
            )
            assert entry.plural or said == entry.translations[0], entry.id


def test_every_text_of_the_code_is_in_the_catalog(app, tmp_path, monkeypatch):
    if not (shutil.which("xgettext") and shutil.which("msgmerge")):
        reason = "no xgettext here: install gettext (apt-get install gettext)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    copy = tmp_path / app.name
    shutil.copytree(app, copy, ignore=shutil.ignore_patterns("static", "demo", "__pycache__"))
    monkeypatch.chdir(copy)

    call_command("makemessages", locale=["zh_Hans"], no_obsolete=True, verbosity=0)

    fresh = {entry.key for entry in entries_of(copy / CATALOG)}
    kept = {entry.key for entry in entries_of(app / CATALOG)}
    assert (fresh - kept, kept - fresh) == (set(), set()), "run `make messages` and translate"
