"""The whole way once: a student signs up, enrols, asks, checks a source; staff open the trace."""

import re

from playwright.sync_api import Page, expect

from tests.browser.steps import ask, open_chapter, sign_up
from tests.servers.openai_script import WAIT


def test_a_student_asks_and_lands_on_the_cited_passage_and_staff_see_the_trace(site, page: Page):
    sign_up(page)
    open_chapter(page, "What the moon does")
    site.openai.answers("A **spring tide** has ", WAIT, "an especially large range [1].")

    ask(page, "What is a spring tide?")
    answer = page.locator("article.answer").last
    words = answer.locator("[data-blocks]")
    expect(words.locator("strong")).to_have_text("spring tide")
    expect(words).not_to_contain_text("large range")
    site.openai.release()
    expect(words).to_contain_text("A spring tide has an especially large range")

    words.locator("a.cite").click()
    passage = page.locator(".cited").first
    expect(passage).to_be_in_viewport()
    expect(page.locator(".cited").filter(has_text="new moon and at full moon")).to_be_visible()
    assert re.search(r"/courses/tides/chapters/moon/", page.url)

    trace = site.langfuse.wait_for(
        lambda server: next(
            (t for t in server.traces.values() if asks(t, "What is a spring tide?")), None
        )
    )
    staff_opens_the_trace(page, trace["id"])


def asks(trace: dict, question: str) -> bool:
    return question in str(trace.get("input"))


def staff_opens_the_trace(page: Page, trace_id: str) -> None:
    page.context.clear_cookies()
    page.goto("/admin/login/")
    page.fill("[name=username]", "staff")
    page.fill("[name=password]", "staff")
    page.locator("[type=submit]").click()
    page.goto("/admin/learning/message/")
    page.locator(f"a[href$='/tracing/tracerecord/{trace_id}/change/']").first.click()
    expect(page.locator(".trace").get_by_role("heading", name="ai_chat")).to_be_visible()
    for name in ("retrieve", "embedding", "rerank", "llm_call"):
        expect(page.locator(".trace-step-name").filter(has_text=name)).to_be_visible()
    expect(page.locator(".trace")).to_contain_text("What is a spring tide?")
    link = page.get_by_role("link", name="Open in Langfuse")
    assert link.get_attribute("href").endswith(f"/trace/{trace_id}")


def test_what_arrives_in_langfuse_is_what_the_contract_says(site, page: Page):
    sign_up(page)
    open_chapter(page, "Reading a tide table")
    site.openai.answers("Three twelfths ", "in the third hour [1].")

    ask(page, "How fast does the water rise in the third hour?")
    expect(page.locator("article.answer").last).to_contain_text("in the third hour")
    trace = site.langfuse.wait_for(
        lambda server: next(
            (t for t in server.traces.values() if asks(t, "in the third hour?")), None
        )
    )

    def step(name):
        return site.langfuse.observation(name, trace_id=trace["id"])

    site.langfuse.wait_for(lambda server: server.children(None, trace_id=trace["id"]))
    counted = site.openai.last.usage
    assert trace["name"] == "ai_chat"
    assert trace["output"]["response"] == "Three twelfths in the third hour [1]."
    assert trace["userId"].startswith("u_") and trace["sessionId"]
    assert trace["tags"] == ["assistant", "course", "course:tides"]
    assert {step("embedding")["parentObservationId"], step("rerank")["parentObservationId"]} == {
        step("retrieve")["id"]
    }
    assert step("llm_call")["usage"]["input"] == counted["prompt_tokens"]
    assert step("llm_call")["usage"]["output"] == counted["completion_tokens"]
    assert step("llm_call")["startTime"] < step("llm_call")["completionStartTime"]
    assert step("llm_call")["completionStartTime"] < step("llm_call")["endTime"]


def test_stop_keeps_what_was_said_and_a_reload_shows_it(site, page: Page):
    sign_up(page)
    open_chapter(page, "The sea moves")
    site.openai.answers("High water is ", WAIT)

    ask(page, "What is high water?")
    answer = page.locator("article.answer").last
    expect(answer).to_contain_text("High water is")
    page.get_by_role("button", name="Stop").click()
    expect(answer).to_contain_text("Stopped.")
    page.reload()
    expect(page.locator("article.answer").last).to_contain_text("High water is")
