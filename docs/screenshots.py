"""Take the pictures of the README from the running product: `make screenshots`.

A site of its own with the demo courses, a scripted provider and a Langfuse beside it, and a browser
that asks. Nothing of your own site is touched.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.servers.langfuse_server import LangfuseServer
from tests.servers.openai_server import OpenAIServer
from tests.servers.site import CHROMIUM_OPTIONS, chromium, prepare_site, running_site

IMAGES = Path(__file__).parent / "images"
LARGEST_BYTES = 300_000
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

QUESTION = "When is a function continuous at a point?"
ANSWER = """\
A function $f$ is **continuous at a point** $a$ when its limit there equals its value [1]:

$$\\lim_{x \\to a} f(x) = f(a)$$

That is three demands in one [1]: $f(a)$ is defined, the limit exists, and the two agree. \
Try it with numbers close to $a$ [1]:

```python
def f(x):
    return (x**2 - 4) / (x - 2)

print(f(1.999))  # 3.999
```

Yet $f(2)$ is not defined, so $f$ is not continuous at 2.
"""
CHINESE_QUESTION = "学习率太大会怎么样？"
CHINESE_ANSWER = """\
学习率 $\\eta$ 决定每一步迈多远 [1]：

$$w \\leftarrow w - \\eta \\, \\frac{\\partial L}{\\partial w}$$

- **太大**：一步跨过谷底，损失来回震荡，甚至越来越大 [1]；
- **太小**：每一步都很稳，但要走很多步才能到达谷底 [1]。

可以先取 0.1，观察损失的变化，再按十倍调整。
"""


# Made without a model, and let through as a teacher would: what the pictures show is real.
STUDY_MATERIAL = """
from learning.artefacts import generating, requesting
from learning.models import Course, StudyItem
course = Course.objects.get(slug="calculus")
for kind in requesting.Kind:
    generating.generate(requesting.request(course, kind).pk)
StudyItem.objects.filter(kind__in=["concept", "relation", "term"]).update(status="approved")
first = StudyItem.objects.filter(kind="question", passages__chapter__slug="limits")
StudyItem.objects.filter(pk__in=first[:3]).update(status="approved")
"""


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        OpenAIServer() as openai,
        LangfuseServer() as langfuse,
        prepared(Path(data)),
        running_site(
            Path(data),
            OPENAI_BASE_URL=openai.url,
            LANGFUSE_HOST=langfuse.url,
            LANGFUSE_PUBLIC_KEY=langfuse.public_key,
            LANGFUSE_SECRET_KEY=langfuse.secret_key,
            PYTHONWARNINGS="ignore",
        ) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        # First, so that the trace below is none of a site that has just started.
        openai.answers(*pieces(CHINESE_ANSWER), pace_seconds=0.03)
        page = log_in(browser, url, "student", viewport=DESK, locale="zh-CN")
        open_third_chapter(page, "machine-learning-zh")
        ask(page, CHINESE_QUESTION)
        save(page, "chinese")

        openai.answers(*pieces(ANSWER), pace_seconds=0.03)
        page = log_in(browser, url, "student", viewport=DESK)
        open_third_chapter(page, "calculus")
        ask(page, QUESTION)
        page.locator("article.answer a.cite").first.click()
        show_the_question(page)
        save(page, "chat")

        page = log_in(
            browser, url, "student", viewport=PHONE, color_scheme="dark",
            device_scale_factor=2, has_touch=True, is_mobile=True,
        )  # fmt: skip
        open_third_chapter(page, "calculus")
        page.locator("[data-sheet-open]").tap()
        show_the_question(page)
        save(page, "phone")

        page = log_in(browser, url, "student", viewport={"width": 1280, "height": 900})
        page.goto("/courses/calculus/graph/?chapter=limits")
        expect(page.locator("[data-live]")).to_be_visible()
        save(page, "graph")
        page = log_in(browser, url, "student", viewport=PHONE, device_scale_factor=2)
        page.goto("/courses/calculus/quiz/")
        page.get_by_role("button", name="Start with the whole course").click()
        page.get_by_role("button", name="I do not know").click()
        save(page, "quiz")
        page = log_in(browser, url, "staff", viewport=DESK)
        page.goto("/admin/learning/studyitem/review/?kind=question")
        expect(page.locator(".review[data-ready]")).to_be_visible()
        page.keyboard.press("j")
        expect(page.locator(".rv-question")).to_be_visible()
        save(page, "review")

        langfuse.wait_for(lambda server: QUESTION in str(server.traces))
        page = log_in(browser, url, "staff", viewport={"width": 1280, "height": 1000})
        page.goto(f"{url}/admin/tracing/tracerecord/")
        page.get_by_role("link", name=re.compile("ai_chat")).first.click()
        expect(page.get_by_role("link", name="Open in Langfuse")).to_be_visible()
        save(page, "trace")

        browser.close()


@contextmanager
def prepared(data: Path) -> Iterator[None]:
    """Fill the folder of the site; what is made of a course is made by the built-in tutor."""
    commands = [["migrate", "-v", "0"], ["load_demo"], ["reindex"]]
    prepare_site(data, [*commands, ["shell", "-v", "0", "-c", STUDY_MATERIAL]])
    yield


def pieces(text: str) -> list[str]:
    return re.findall(r"\S+\s*", text)


def log_in(browser: Browser, url: str, name: str, **context) -> Page:
    page = browser.new_context(base_url=url, reduced_motion="reduce", **context).new_page()
    page.goto("/accounts/login/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", name)
    page.locator("main button").click()
    page.wait_for_url(f"{url}/")
    return page


def open_third_chapter(page: Page, course: str) -> None:
    page.goto(f"/courses/{course}/")
    page.locator(".chapters a").nth(2).click()
    expect(page.locator("[data-send]")).to_be_enabled()


def ask(page: Page, question: str) -> None:
    page.locator("[data-question]").fill(question)
    page.locator("[data-question]").press("Enter")
    expect(page.locator("article.answer").last).to_have_attribute(
        "data-state", "complete", timeout=60_000
    )
    show_the_question(page)


def show_the_question(page: Page) -> None:
    page.locator("article.question").last.scroll_into_view_if_needed()
    page.locator("[data-log]").evaluate("log => { log.scrollTop = 0 }")
    page.evaluate("document.activeElement.blur()")


def save(page: Page, name: str) -> None:
    path = IMAGES / f"{name}.png"
    page.wait_for_timeout(400)  # until what moves has come to rest
    page.screenshot(path=path)
    size = path.stat().st_size
    print(f"{path.relative_to(Path.cwd())}: {size // 1000} kB")
    if size > LARGEST_BYTES:
        raise SystemExit(f"{path} is larger than {LARGEST_BYTES // 1000} kB")


if __name__ == "__main__":
    main()
