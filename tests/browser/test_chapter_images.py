"""A teacher's folder brings its pictures, and whoever reads the chapter sees them."""

import re
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import log_in, violations

DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 300">
<style>path { stroke: #123; }</style><path d="M0 0L900 300"/>
<script>document.documentElement.setAttribute("data-ran", "1")</script></svg>"""
LIGHT = """# Light

![A ray that falls](figures/ray.svg "A ray of light.")

A ray goes straight.
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / f"rays-{uuid.uuid4().hex[:6]}"
    (folder / "figures").mkdir(parents=True)
    (folder / "light.md").write_text(LIGHT)
    (folder / "figures" / "ray.svg").write_text(DRAWING)
    return folder


def test_a_picture_of_an_uploaded_folder_is_seen(site, page: Page, folder, complaints):
    log_in(page, site.url, "staff", "staff")
    page.goto("/admin/learning/course/import/")
    expect(page.get_by_text("or a whole folder")).to_be_visible()  # the page's script runs
    page.set_input_files("[data-folder]", folder)
    expect(page.locator("[data-chosen-files]")).to_contain_text("ray.svg")
    page.get_by_label("Title").fill(folder.name)
    page.get_by_role("button", name="Import", exact=True).press("Enter")
    # The worker loads its models for the first of all.
    expect(page.locator("[data-live$=state]")).to_have_text(re.compile("^ready"), timeout=90_000)

    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"/courses/{folder.name}/chapters/light/")
    picture = page.get_by_role("img", name="A ray that falls")
    expect(picture).to_be_visible()
    page.wait_for_function("() => document.querySelector('.prose img').naturalWidth > 0")
    width, height = picture.evaluate("(img) => [img.clientWidth, img.clientHeight]")
    assert 200 < width < 390 and abs(width / height - 3) < 0.2
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    expect(page.locator("figcaption")).to_have_text("A ray of light.")
    assert violations(page) == []
    assert complaints == []

    with page.expect_popup() as opened:
        page.get_by_role("link", name="A ray that falls").click()
    alone = opened.value
    alone.wait_for_load_state()
    assert alone.locator("path").evaluate("(path) => getComputedStyle(path).stroke") == (
        "rgb(17, 34, 51)"
    )
    assert alone.evaluate("document.documentElement.getAttribute('data-ran')") is None
