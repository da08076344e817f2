"""The list of requests, page by page."""

from dataclasses import replace

from snapshots import request_rows

from cost_top.model.engine import page_of
from cost_top.tui.listing import MOST_REREAD, PAGE, Listing


def listed(rows, pages: int) -> Listing:
    listing = Listing().with_page(None, page_of(rows[: PAGE + 1], PAGE))
    for number in range(1, pages):
        first = number * PAGE
        listing = listing.with_page(listing.following, page_of(rows[first : first + PAGE + 1], PAGE))
    return listing


def test_pages_follow_one_another_to_the_last_request():
    rows = request_rows(450, "time", 1)
    listing = listed(rows, 3)
    assert listing.rows == rows
    assert listing.following is None


def test_what_is_new_comes_on_top_and_what_was_read_stays_below():
    rows = request_rows(3000, "time", 1)
    listing = listed(rows, 7)
    assert listing.reread == MOST_REREAD
    new = (replace(rows[0], id="new"), *rows)
    again = listing.with_page(None, page_of(new[: MOST_REREAD + 1], MOST_REREAD))
    assert again.rows == new[: 7 * PAGE + 1]
    assert again.following == listing.following


def test_requests_that_are_alike_stand_in_the_list_once_each():
    row, *others = request_rows(300, "time", 1)
    rows = (*others[:150], *[row] * 120, *others[150:])
    listing = listed(rows, 3)
    assert listing.rows == rows
    assert len(set(listing.keys)) == len(rows)
    new = (replace(row, id="new"), *rows)
    again = listing.with_page(None, page_of(new[: PAGE + 1], PAGE))
    assert again.rows == new
    assert again.following == listing.following


def test_a_page_that_does_not_lead_to_what_was_read_begins_anew():
    rows, others = request_rows(500, "time", 1), request_rows(500, "time", 2)
    listing = listed(rows, 2)
    again = listing.with_page(None, page_of(others[: PAGE + 1], PAGE))
    assert again.rows == others[:PAGE]
    assert again.following is not None
    assert again.following.id == others[PAGE - 1].id


def test_a_page_that_follows_another_place_is_passed_over():
    rows = request_rows(900, "time", 1)
    listing = listed(rows, 2)
    stale = page_of(rows[200:401], 200)
    assert listing.with_page(page_of(rows[:101], 100).following, stale) == listing
