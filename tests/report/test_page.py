"""The page's file and headers: self-contained, under a strict policy, and for those alone who ask by a name of ours."""

import re
from pathlib import Path

import pytest

from supervisor.report import page
from supervisor.report.http import Request

TEXT = (Path(page.__file__).with_name("page.html")).read_text()


def request(path: str = "/", **headers: str) -> Request:
    return Request(path=path, query="", lines=tuple(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()))


def test_every_answer_has_a_nonce_of_its_own_in_page_and_policy() -> None:
    one, two = page.html(), page.html()
    policy = dict(one.headers)["Content-Security-Policy"]
    (nonce,) = set(re.findall(r"'nonce-([0-9a-f]{36})'", policy))
    assert one.body.decode().count(nonce) == 2
    assert "@NONCE@" not in one.body.decode()
    assert nonce not in two.body.decode()
    assert policy.startswith("default-src 'none';")
    for word in ("unsafe-inline", "unsafe-eval", "*", "http:", "https:"):
        assert word not in policy


def test_it_needs_nothing_from_anywhere() -> None:
    assert set(re.findall(r"https?://[^'\"\s]+", TEXT)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=(?!\"data:)", TEXT)
    assert len(TEXT.encode()) < 64 * 1024


def test_no_markup_is_made_of_text() -> None:
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "new Function", "DOMParser"):
        assert word not in TEXT
    assert not re.search(r"\son[a-z]+=|\sstyle=", TEXT), "handlers and styles are not in attributes"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:9978",
        "10.0.0.7",
        "[::1]:9978",
        "[fe80::1]",
        "localhost",
        "LOCALHOST:80",
        "localhost.",
        "fleet.example.org:443",
    ],
)
def test_who_asks_by_address_or_by_a_name_of_ours_is_served(host: str) -> None:
    assert page.refusal(request(Host=host), {"fleet.example.org"}) is None


@pytest.mark.parametrize(
    "host",
    ["", "evil.example.org", "evil.example.org:9978", "127.0.0.1.evil.org", "localhost.evil.org", "127.0.0.1:x", "[::1", "::1",
     "fleet.example.org@evil.org", "a b", "127.1", "0x7f000001", "1.2.3.4.5", "fleet.example.org:1:2"],
)  # fmt: skip
def test_any_other_name_is_refused(host: str) -> None:
    found = page.refusal(request(Host=host), {"fleet.example.org"})
    assert found is not None
    assert found.status == 403
    assert host not in found.body.decode() or not host


def test_two_hosts_are_none() -> None:
    both = Request(path="/", query="", lines=("Host: localhost", "host: localhost"))
    assert page.refusal(both, ()) is not None
    assert page.refusal(Request(path="/", query=""), ()) is not None


@pytest.mark.parametrize(
    ("site", "served"), [("same-origin", True), ("none", True), ("cross-site", False), ("same-site", False)]
)
def test_another_sites_page_gets_no_stream(site: str, served: bool) -> None:
    asked = request("/changes", Host="localhost", Sec_Fetch_Site=site)
    assert (page.refusal(asked, ()) is None) == served
    assert (
        page.refusal(request("/", Host="localhost", Sec_Fetch_Site=site), ()) is None
    )  # a link to the page is no harm
