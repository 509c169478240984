"""A teacher's way: files of their own become a course, and the tutor reads them."""

import re
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import log_in, violations

LIGHT = "# Light\n\nA photon is a piece of light that carries energy.\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder of two chapters under a name that no other course has."""
    folder = tmp_path / f"optics-{uuid.uuid4().hex[:6]}"
    (folder / "part").mkdir(parents=True)
    (folder / "01-light.md").write_text(LIGHT)
    (folder / "part" / "02-lenses.md").write_text("# Lenses\n\nA lens bends light.\n")
    (folder / "old.doc").write_bytes(b"x")
    (folder / ".hidden.md").write_text("# Hidden\n")
    return folder


@pytest.fixture
def staff(site, page: Page) -> Page:
    log_in(page, site.url, "staff", "staff")
    page.goto("/admin/learning/course/")
    page.get_by_role("link", name="Import files").click()
    expect(page.locator(".desk h1")).to_have_text("Import files")
    expect(page.get_by_text("or a whole folder")).to_be_visible()  # the page's script runs
    return page


def state(page: Page):
    return page.locator("[data-live$=state]")


def test_a_folder_becomes_a_course_that_the_tutor_reads(staff, folder, complaints):
    staff.set_input_files("[data-folder]", folder)
    expect(staff.get_by_label("Title")).to_have_value("")  # the theme would put a file's name here
    expect(staff.locator("[data-chosen-files]")).to_contain_text(re.compile("3 files: "))
    assert violations(staff) == []
    staff.get_by_role("button", name="Import", exact=True).press("Enter")

    # The worker loads its models for the first of all.
    expect(state(staff)).to_have_text(re.compile("^ready"), timeout=90_000)
    expect(staff.locator("[data-live$=report]")).to_contain_text("added (2)")
    expect(staff.locator("[data-live$=left-out]")).to_contain_text("old.doc is in the format")
    assert violations(staff) == []
    staff.get_by_role("link", name="try a question").click()
    staff.get_by_label("Question").fill("What is a photon?")
    staff.keyboard.press("Enter")
    expect(staff.locator(".desk-passages li").first).to_contain_text("carries energy")

    staff.goto("/admin/learning/courseimport/")
    staff.locator("#result_list").get_by_role("link", name="trace").first.click()
    expect(staff.get_by_role("heading", name="import_course ok")).to_be_visible()
    assert complaints == []


def test_files_that_are_dropped_are_taken(staff, folder):
    name = f"dropped {folder.name}"
    staff.evaluate(
        """(text) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([text], "light.md"));
            document.querySelector("[data-import]").dispatchEvent(
                new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        LIGHT,
    )
    expect(staff.locator("[data-chosen-files]")).to_have_text("1 file: light.md")
    staff.get_by_label("Title").fill(name)
    staff.get_by_role("button", name="Import", exact=True).click()

    expect(staff.locator("[data-live$=course] a")).to_have_text(name)


def test_what_is_refused_is_said_in_the_page_and_what_was_chosen_stays(staff, tmp_path):
    evil = tmp_path / "a:b.md"
    evil.write_text(LIGHT)
    staff.set_input_files("[data-files]", evil)
    staff.get_by_role("button", name="Import", exact=True).click()

    expect(staff.locator("[data-problem]")).to_have_text(
        "“a:b.md” is no name for a file. Rename it."
    )
    expect(staff.get_by_role("button", name="Import", exact=True)).to_be_enabled()
    expect(staff.locator("[data-chosen-files]")).to_have_text("1 file: a:b.md")


def test_a_connection_that_breaks_off_is_said_and_the_next_try_goes_on(staff, folder):
    staff.set_input_files("[data-files]", folder / "01-light.md")
    staff.get_by_label("Title").fill(f"again {folder.name}")
    staff.context.set_offline(True)
    staff.get_by_role("button", name="Import", exact=True).click()
    expect(staff.locator("[data-problem]")).to_contain_text("The upload broke off.")

    staff.context.set_offline(False)
    staff.get_by_role("button", name="Import", exact=True).click()

    expect(state(staff)).to_have_text("ready")
