"""A real browser on the product as it is delivered, with a provider and a Langfuse beside it.

Nothing here imports the product; all servers are real.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.delivered import Delivered, delivered_site
from tests.browser.scripted import ScriptedServer
from tests.browser.steps import new_student
from tests.servers.langfuse_server import LangfuseServer
from tests.servers.openai_server import OpenAIServer
from tests.servers.site import CHROMIUM_OPTIONS, chromium, running_site

COURSE = Path(__file__).parent / "course"
# Playwright's loop runs in this thread as long as the session, and Django would take its own
# clean-up of the test database for a mistake.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
# The first question of all loads the models, on a machine that may have much else to do.
expect.set_options(timeout=20_000)


@dataclass
class Site:
    url: str
    data: Path
    openai: OpenAIServer
    langfuse: LangfuseServer


@pytest.fixture(scope="session")
def browser_type_launch_args():
    executable = chromium()
    if executable is None:
        reason = "no Chromium here: install it (apt-get install chromium) or name it in CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return {"executable_path": executable, "args": CHROMIUM_OPTIONS}


@pytest.fixture(scope="session")
def session_site(tmp_path_factory):
    data = tmp_path_factory.mktemp("site")
    with (
        OpenAIServer(pace_seconds=0.05) as openai,
        LangfuseServer() as langfuse,
        running_site(
            data,
            prepare=[
                ["migrate", "-v", "0"],
                ["createsuperuser", "--noinput", "-v", "0"],
                ["import_course", str(COURSE), "--open"],
                ["reindex"],
            ],
            OPENAI_BASE_URL=openai.url,
            LANGFUSE_HOST=langfuse.url,
            LANGFUSE_PUBLIC_KEY=langfuse.public_key,
            LANGFUSE_SECRET_KEY=langfuse.secret_key,
            DJANGO_SUPERUSER_USERNAME="staff",
            DJANGO_SUPERUSER_EMAIL="staff@example.org",
            DJANGO_SUPERUSER_PASSWORD="staff",
        ) as url,
    ):
        yield Site(url, data, openai, langfuse)


@pytest.fixture
def site(session_site):
    """A site with the course of tides, open to everybody, and `staff`, password as the name."""
    session_site.openai.forget()
    return session_site


@pytest.fixture(scope="session")
def quoting_site(session_site):
    """The address of the same courses and people, served without a model."""
    with running_site(session_site.data) as url:
        yield url


@pytest.fixture(scope="session")
def session_delivered(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("delivered") / "data"
    with delivered_site(Path(shutil.copytree(prepared, folder))) as site:
        yield site


@pytest.fixture
def delivered(session_delivered) -> Delivered:
    """A site without DEBUG: an English and a Chinese course, with all that is made of them."""
    session_delivered.openai.forget()
    return session_delivered


@pytest.fixture
def visitor(delivered, browser):
    """A page of somebody new to it; at the end its browser must have complained of nothing."""
    context = browser.new_context(
        base_url=delivered.url, locale="en", permissions=["clipboard-read", "clipboard-write"]
    )
    heard = hear_complaints(context)
    yield context.new_page()
    context.close()
    assert [words for words in heard if "404" not in words] == []


@pytest.fixture(scope="session")
def base_url(session_site):
    return session_site.url


@pytest.fixture
def complaints(context):
    """What the browser complained about: errors of scripts, of the security policy, of loading."""
    return hear_complaints(context)


def hear_complaints(context) -> list[str]:
    heard = []
    context.on("weberror", lambda error: heard.append(str(error.error)))
    context.on(
        "console",
        lambda message: message.type in ("error", "warning") and heard.append(message.text),
    )
    return heard


@pytest.fixture
def server(site, page: Page) -> ScriptedServer:
    """What the page's websocket talks to."""
    return ScriptedServer(page)


@pytest.fixture
def student(server, page: Page) -> Page:
    """A student on the page of a conversation in which nothing was asked yet."""
    new_student(page, "sea")
    page.goto("/courses/tides/")
    page.get_by_role("button", name="Ask the tutor").click()
    expect(page.locator("[data-send]")).to_be_enabled()
    return page
