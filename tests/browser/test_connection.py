"""Whatever happens to the connection: nothing is lost, nothing is shown twice, and it is said.

The page is real, and the server's end of its websocket is the test's.
"""

from playwright.sync_api import Page, expect

from tests.browser.scripted import (
    ScriptedServer,
    delta,
    finished,
    ready,
    snapshot,
    sources,
    started,
)
from tests.browser.steps import last_answer, words

STATUS = "[data-status]"
STATES = "[data-turn-status]"


def doing(page: Page):
    return last_answer(page).locator(STATES)


def say_two_pieces(server: ScriptedServer) -> None:
    server.answers("What is water?", "t1")
    server.say(delta("t1", 0, "One ", "<p>One</p>"), delta("t1", 4, "two ", "<p>One two</p>"))


# --- In words --------------------------------------------------------------------------------


def test_it_is_said_what_is_happening_from_searching_to_the_end(server, student):
    server.answers("What is water?", "t1")
    expect(doing(student)).to_have_text("Searching the course…")
    server.say(sources("t1", "The sea"))
    expect(doing(student)).to_have_text("Thinking…")
    server.say(delta("t1", 0, "Wet.", "<p>Wet.</p>"))
    expect(doing(student)).to_have_text("Writing…")
    expect(student.locator(STATUS)).to_be_hidden()
    server.say(finished("t1", 4))
    expect(doing(student)).to_be_hidden()


def test_a_question_that_waits_for_its_turn_says_how_many_are_before_it(server, student):
    server.answers("What is water?", "t1")
    for ahead, said in ((2, "2 questions are before"), (1, "1 question is"), (0, "Yours is next.")):
        server.say({"type": "turn.queued", "turn": "t1", "ahead": ahead})
        expect(doing(student)).to_contain_text(said)
        expect(student.locator("[data-announce]")).to_contain_text(said)
    server.say(sources("t1"))
    expect(doing(student)).to_have_text("Thinking…")


def test_a_lost_connection_and_a_stop_are_said_in_one_place_only(server, student):
    say_two_pieces(server)
    server.is_down = True
    server.cut()
    expect(doing(student)).to_have_text("Connection lost. Reconnecting…")
    expect(student.locator(STATUS)).to_be_hidden()

    student.get_by_role("button", name="Stop").click()
    server.first_frame = ready(snapshot("t1", "One two ", "<p>One two</p>"))
    server.is_down = False

    server.wait_for("stop")
    expect(doing(student)).to_have_text("Stopping…")
    server.say(finished("t1", 8, "stopped"))
    expect(doing(student)).to_have_text("Stopped.")
    expect(student.get_by_role("button", name="Ask again")).to_be_visible()


def test_not_each_frame_is_read_aloud(server, student):
    server.answers("What is water?", "t1")
    student.evaluate(
        """() => {
          window.spoken = [];
          const region = document.querySelector("[data-announce]");
          new MutationObserver(() => spoken.push(region.textContent))
            .observe(region, { childList: true, characterData: true, subtree: true });
        }"""
    )
    server.say(sources("t1", "The sea"))
    for n in range(20):
        server.say(delta("t1", 4 * n, "wet ", f"<p>{'wet ' * (n + 1)}</p>"))
    server.say(finished("t1", 80))
    expect(last_answer(student)).to_have_attribute("data-state", "complete")

    assert [text.split()[0] for text in student.evaluate("spoken")] == ["wet"]


def test_whoever_is_sent_away_in_the_middle_of_an_answer_is_told_once_why(server, student):
    say_two_pieces(server)
    server.cut(4404)

    expect(student.locator(STATUS)).to_contain_text("was deleted")
    expect(doing(student)).to_be_hidden()
    expect(words(student)).to_have_text("One two")
    expect(student.locator("[data-send]")).to_be_disabled()


def test_a_banner_comes_and_goes_in_words(server, student):
    banner = student.get_by_role("status").locator("xpath=self::*[@data-notice]")
    expect(banner).to_be_empty()
    server.say({"type": "notice", "message": "The tutor is slow today."})
    expect(banner).to_have_text("The tutor is slow today.")
    expect(banner).to_be_visible()
    server.say({"type": "notice", "message": ""})
    expect(banner).to_be_empty()

    server.first_frame = ready(notice="It comes with the connection too.")
    server.cut()
    expect(banner).to_have_text("It comes with the connection too.")


# --- Frames in every order ------------------------------------------------------------------


def test_a_frame_that_comes_twice_is_shown_once(server, student):
    say_two_pieces(server)
    again = delta("t1", 4, "two ", "<p>One two</p>")
    server.say(again, again, delta("t1", 0, "One ", "<p>One</p>"))
    server.say(delta("t1", 6, "o three", "<p>One two three</p>"), finished("t1", 13))

    expect(last_answer(student)).to_have_attribute("data-state", "complete")
    expect(words(student)).to_have_text("One two three")
    assert all(frame["type"] == "ask" for frame in server.heard)


def test_a_gap_is_filled_from_a_snapshot_and_what_comes_meanwhile_is_in_it(server, student):
    say_two_pieces(server)
    server.say(delta("t1", 14, "four ", "<p>One two three four</p>"))
    server.wait_for("resume")
    server.say(delta("t1", 19, "five ", "<p>One two three four five</p>"))
    text = "One two three four five "
    server.say(snapshot("t1", text, "<p>One two three four five</p>"))
    server.say(delta("t1", len(text), "six", "<p>One two three four five six</p>"))
    server.say(finished("t1", len(text) + 3))

    expect(last_answer(student)).to_have_attribute("data-state", "complete")
    expect(words(student)).to_have_text("One two three four five six")
    assert [frame["type"] for frame in server.heard].count("resume") == 1


def test_a_snapshot_older_than_what_is_shown_takes_no_letter_away(server, student):
    say_two_pieces(server)
    server.say(
        snapshot("t1", "One ", "<p>One</p>"), delta("t1", 8, "three", "<p>One two three</p>")
    )

    expect(words(student)).to_have_text("One two three")
    server.say(finished("t1", 13))
    expect(last_answer(student)).to_have_attribute("data-state", "complete")


def test_a_snapshot_newer_than_what_is_shown_brings_it_up_to_date(server, student):
    say_two_pieces(server)
    server.say(snapshot("t1", "One two three ", "<p>One two</p>", "<p>three</p>"))
    expect(words(student)).to_have_text("One twothree")
    server.say(delta("t1", 4, "two ", "<p>One two</p>"))  # late
    server.say(finished("t1", 14))

    expect(last_answer(student)).to_have_attribute("data-state", "complete")
    expect(words(student)).to_have_text("One twothree")


def test_after_a_restart_the_answer_stands_as_it_was_saved_and_says_that_it_was_cut(
    server, student
):
    say_two_pieces(server)
    server.cut()
    server.wait_for("resume")
    server.say(snapshot("t1", "One ", "<p>One</p>", status="interrupted"))

    expect(last_answer(student)).to_have_attribute("data-state", "interrupted")
    expect(words(student)).to_have_text("One")
    expect(doing(student)).to_have_text("This answer was interrupted.")
    expect(student.get_by_role("button", name="Ask again")).to_be_visible()
    expect(student.get_by_role("button", name="Ask", exact=True)).to_be_visible()


def test_a_turn_whose_beginning_was_lost_is_shown_from_a_snapshot(server, student):
    server.answers("One?", "t1")
    server.say(delta("t1", 0, "First.", "<p>First.</p>"), finished("t1", 6))
    server.say(delta("t2", 0, "Second", "<p>Second</p>"))
    server.wait_for("resume")
    server.say(
        snapshot("t2", "Second ", "<p>Second</p>", question="Two?", after="t1", ask="another")
    )
    server.say(delta("t2", 7, "one.", "<p>Second one.</p>"), finished("t2", 11))

    expect(last_answer(student)).to_have_attribute("data-state", "complete")
    texts = student.locator("[data-log] > article :is([data-body], [data-blocks])")
    expect(texts).to_have_text(["One?", "First.", "Two?", "Second one."])


# --- Connections that end without a word ----------------------------------------------------


def test_an_answer_that_falls_silent_is_looked_after_and_the_dead_connection_replaced(
    server, student
):
    student.clock.install()
    student.reload()
    say_two_pieces(server)
    expect(words(student)).to_have_text("One two")

    student.clock.fast_forward(9_000)  # nothing comes: is the line alive?
    server.wait_for("resume")
    server.first_frame = ready(snapshot("t1", "One two three", "<p>One two three</p>"))
    student.clock.fast_forward(9_000)  # it is not

    expect(words(student)).to_have_text("One two three")
    assert server.connections == 3  # of the first page, and two


def test_a_page_that_was_hidden_for_long_asks_what_it_missed(server, student):
    say_two_pieces(server)
    hide = """isHidden => {
      Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    student.evaluate(hide, True)
    assert "resume" not in [frame["type"] for frame in server.heard]
    student.evaluate(hide, False)
    server.wait_for("resume")
    server.say(snapshot("t1", "One two three", "<p>One two three</p>", status="complete"))

    expect(words(student)).to_have_text("One two three")
    expect(last_answer(student)).to_have_attribute("data-state", "complete")


def test_a_phone_that_changes_the_network_comes_back_at_once(server, student):
    say_two_pieces(server)
    student.clock.install()
    student.clock.pause_at("2099-01-01")
    server.cut()
    expect(doing(student)).to_have_text("Connection lost. Reconnecting…")
    server.first_frame = ready(snapshot("t1", "One two three", "<p>One two three</p>"))

    student.evaluate("window.dispatchEvent(new Event('online'))")

    expect(words(student)).to_have_text("One two three")


def test_attempts_to_reconnect_grow_apart_and_never_stop(server, student):
    student.clock.install()
    server.is_down = True
    server.cut()
    attempts = []
    for _ in range(5):
        before = server.connections
        for _ in range(26):  # of half a second: 13 s
            student.clock.run_for(500)
            student.wait_for_timeout(15)
        attempts.append(server.connections - before)
    assert attempts[0] >= 3
    assert 1 <= attempts[-1] <= 2  # ten seconds apart by now, give or take a quarter
    server.is_down = False
    student.clock.run_for(13_000)
    student.clock.resume()
    server.answers("Are you there?", "t1")
    expect(doing(student)).to_have_text("Searching the course…")


def test_an_attempt_that_leads_nowhere_is_given_up(server, student):
    student.clock.install()
    server.first_frame = None  # the door opens, and nobody says a word
    server.cut()
    student.clock.run_for(2_000)
    before = server.connections
    server.first_frame = ready()
    student.clock.run_for(17_000)

    assert server.connections > before
    student.clock.resume()
    server.answers("Are you there?", "t1")
    expect(doing(student)).to_have_text("Searching the course…")


def test_a_turn_of_another_tab_while_a_question_waits_does_not_swallow_it(server, student):
    server.answers("One?", "t1")
    server.say(delta("t1", 0, "First.", "<p>First.</p>"), finished("t1", 6))
    expect(last_answer(student)).to_have_attribute("data-state", "complete")
    before = len(server.heard)
    student.locator("[data-question]").fill("Two?")
    student.locator("[data-question]").press("Enter")
    asked = server.wait_for("ask", after=before)
    server.say(started("t2", "of another tab", "Other?", after="t1"))
    rejection = {"type": "turn.rejected", "ask": asked["id"], "code": "busy", "message": "Busy."}
    server.say(rejection, delta("t2", 0, "Other.", "<p>Other.</p>"), finished("t2", 6))

    expect(student.locator(STATUS)).to_have_text("Busy.")
    expect(student.locator("[data-question]")).to_have_value("Two?")
    texts = student.locator("[data-log] > article :is([data-body], [data-blocks])")
    expect(texts).to_have_text(["One?", "First.", "Other?", "Other."])
