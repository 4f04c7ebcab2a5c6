"""The page is for people with a browser, so a browser reads it."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks.bench import Finding
from benchmarks.report import scale
from benchmarks.report.page import render
from tests.benchmarks.browser import installed, tab
from tests.benchmarks.made import finding, outcome, result
from tests.conftest import ROOT

BASE = [1.05, 1.0, 1.02]
HOSTILE = "<script>throw 1</script> & $x_1$"
OUTCOMES = [
    outcome("psql | zstd -1", BASE),
    outcome("borealis copy", [0.71, 0.7, 0.72], phases={"read": 1.25, "compress": 0.5}),
    outcome("sling", [9.0, 9.3, 9.1], lost="infinity becomes empty"),
    outcome(HOSTILE, [], failed="exit code 1"),
]
FOUND = replace(finding({"psql | zstd -1": BASE}), outcomes=OUTCOMES, figures={"statements a table": 7})


@pytest.fixture
async def page(tmp_path):
    """`page` is a tab that has opened the page of a made-up result and its history."""
    if not installed():
        reason = "no Chromium and no Chrome is installed: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    older = result(finding({"psql | zstd -1": BASE, "borealis copy": [0.8, 0.8, 0.8]}), at="2026-11-22T12:00:00+00:00")
    tried = Finding(
        "losses", "awkward", 9, outcomes=[outcome("dlt", [], lost="NaN refused")], notes=["psql leaves text"]
    )
    newer = result(tried, FOUND, finding({"load alone": BASE}, scenario="end to end", measured=1.2))
    file = tmp_path / "page.html"
    file.write_text(render(newer, [older, newer], scale.parts_of(newer, [0.01])), encoding="utf-8")
    async with tab() as opened:
        await opened.open(file)
        yield opened


async def test_every_number_and_verdict_stands_in_it(page):
    words = await page.value("document.body.innerText")
    for contender in FOUND.to_json()["contenders"][:3]:
        assert f"{contender['rows_per_second']:,.0f}" in words
        assert f"{contender['ratio_to_base']:.2f} ×" in words
    assert HOSTILE in words
    assert {"infinity becomes empty", "failed: exit code 1", "statements a table"} <= set(re.split(r"[\t\n]", words))
    assert {"made 1.0", "NaN refused", "psql leaves text"} <= set(re.split(r"[\t\n]", words))
    assert ("met" in words, "missed" in words) == (True, True)
    titles = await page.value("[...document.querySelectorAll('h2')].map((title) => title.innerText)")
    assert titles == [
        "Targets",
        "Extract: lineitem",
        "End to end: lineitem",
        "What was lost",
        "Past this machine",
        "History",
        "Machine and versions",
    ]


async def test_what_was_not_measured_here_says_so(page):
    told = await page.value("document.getElementById('past-this-machine').parentElement.innerText")
    assert "Simulated, not measured" in told
    assert "0.01 TB by functions" in told


async def test_plots_hold_their_words_as_text(page):
    drawn = await page.value("[...document.querySelectorAll('svg text')].map((each) => each.textContent)")
    assert {"borealis copy", "sling", "1.75 s", "0.50 + 1.00 s"} <= set(drawn)


async def test_it_loads_nothing_and_breaks_nothing(page):
    assert [asked["request"]["url"] for asked in page.told("Network.requestWillBeSent")] == [
        await page.value("location.href")
    ]
    assert page.told("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded") == []


async def test_a_click_on_a_title_sorts_by_it_and_what_has_no_value_stays_last(page):
    click = """(() => {
      const tables = [...document.querySelectorAll("table")];
      const table = tables.find((each) => each.caption.innerText.startsWith("Every figure"));
      const title = [...table.tHead.rows[0].cells].find((each) => each.innerText.startsWith("Rows/s"));
      title.querySelector("button").click();
      return [title.ariaSort, [...table.tBodies[0].rows].map((row) => row.cells[0].innerText)];
    })()"""
    falling = ["borealis copy", "psql | zstd -1", "sling", HOSTILE]
    assert await page.value(click) == ["descending", falling]
    assert await page.value(click) == ["ascending", [*falling[2::-1], HOSTILE]]


@pytest.mark.parametrize(("scheme", "paper"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(15, 22, 29)")])
async def test_a_phone_shows_it_light_or_dark_without_scrolling_sideways(page, scheme, paper):
    await page.ask("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=1, mobile=True)
    await page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    assert await page.value("getComputedStyle(document.body).backgroundColor") == paper
    assert await page.value("document.documentElement.scrollWidth") == 400
    inks = await page.value("[...document.querySelectorAll('svg text')].map((each) => getComputedStyle(each).fill)")
    assert inks
    assert paper not in inks


def test_the_commands_take_results_by_name(tmp_path):
    for name, at in (("old", "2026-11-22T12:00:00+00:00"), ("new", "2026-11-23T12:00:00+00:00")):
        (tmp_path / name).write_text(json.dumps(result(replace(FOUND, dataset="wide"), at=at)), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks"]
    files = [str(tmp_path / name) for name in ("old", "new", "page.html")]
    told = subprocess.run([*command, "compare", *files[:2]], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "borealis copy" in told.stdout
    subprocess.run([*command, "page", files[1], "-o", files[2]], cwd=ROOT, check=True, capture_output=True)
    assert "borealis copy" in (tmp_path / "page.html").read_text(encoding="utf-8")
