"""The page in a real browser, as `layby local` serves it."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.page.conftest import ROOT

pytestmark = [pytest.mark.envoy, pytest.mark.page, pytest.mark.timeout(120)]
IMAGES = ROOT / "docs" / "images"
KEEP = "LAYBY_SCREENSHOTS"
"""Set, the picture of the documentation is replaced."""
WITHIN_MS = 20_000


@asynccontextmanager
async def running(path):
    """`layby local`, and where its page is."""
    command = [sys.executable, "-u", "-m", "cli.main", "local", "-f", str(path)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout
    try:
        async with asyncio.timeout(30):
            while not (line := await process.stdout.readline()).startswith(b"live page: "):
                assert line, "layby local has ended"
        yield line.split()[-1].decode()
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()


@pytest.fixture
async def shown(browser, envoy, configuration):
    """The page, and what must not happen while it is open."""
    assert envoy
    path, port = configuration
    bad: list[str] = []
    asked: list[str] = []
    async with running(path) as url, aiohttp.ClientSession() as session:
        context = await browser.new_context(
            color_scheme="light", reduced_motion="reduce", viewport={"width": 1180, "height": 700}
        )
        page = await context.new_page()
        page.on("console", lambda message: bad.append(message.text))
        page.on("pageerror", lambda error: bad.append(str(error)))
        page.on("dialog", lambda dialog: bad.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))

        async def ask(name):
            async with session.get(f"http://127.0.0.1:{port}/{name}/") as answer:
                return answer.status

        await page.goto(url)
        await page.wait_for_selector("#live[data-state=live]", timeout=WITHIN_MS)
        yield page, ask, path.with_name("open")
        await context.close()
    assert [] == bad
    assert [] == [each for each in asked if not each.startswith(url)]


def phase(name, value):
    return f'[id="hold-local.{name}"][data-phase={value}]'


async def three_phases(page, ask, tasks):
    """Have one workload warm, one starting and one that cannot start, with no reload."""
    assert 200 == await ask("cart")
    assert 503 == await ask("reports")
    waiting = [tasks.create_task(ask("search"), name=f"search {n}") for n in range(3)]
    for selector in (
        phase("cart", "Warm"),
        phase("search", "Waking"),
        phase("reports", "Zero") + " .trouble",
        phase("search", "Waking") + ' [data-label=Parked]:text("3")',
    ):
        await page.wait_for_selector(selector, timeout=WITHIN_MS)
    return waiting


async def test_changes_are_seen_without_a_reload(shown, tmp_path):
    """That is what the page is for; and a workload's last words are no part of it."""
    page, ask, gate = shown
    assert 3 == await page.locator('tr[data-phase="Zero"]').count()
    async with asyncio.TaskGroup() as tasks:
        waiting = await three_phases(page, ask, tasks)
        assert "<script>alert(1)</script>" in await page.inner_text(
            '[id="hold-local.reports"] .trouble'
        )
        await picture(page, tmp_path / "page.png")
        gate.touch()
        await page.wait_for_selector(phase("search", "Warm"), timeout=WITHIN_MS)
        assert [200] * 3 == [await each for each in waiting]
    # It was opened when it was new, as it was starting then, and stays so.
    stages = page.locator('[id="wakes-local.search"][open] .fall tbody th')
    await page.wait_for_selector(
        '[id="wakes-local.search"] .outcome[data-outcome=Succeeded]', timeout=WITHIN_MS
    )
    assert ["start", "readiness", "endpoint", "release"] == await stages.all_inner_texts()
    assert [True] * 4 == await page.eval_on_selector_all(
        '[id="wakes-local.search"] .bar', "bars => bars.map((bar) => bar.getBBox().width > 0)"
    )


async def test_keyboard_reaches_everything_and_keeps_its_place(shown):
    """Whoever reads with the keyboard must not be thrown back by each change."""
    page, ask, _ = shown
    await page.keyboard.press("Tab")
    assert "Skip to the workloads" == await focused(page)
    await page.keyboard.press("Enter")
    assert 200 == await ask("cart")
    details = page.locator('[id="wakes-local.cart"]')
    await details.wait_for(timeout=WITHIN_MS)
    await page.keyboard.press("Tab")
    assert (await focused(page)).startswith("cart local")
    is_open = await details.get_attribute("open") is not None
    await page.keyboard.press("Enter")
    assert is_open is not (await details.get_attribute("open") is not None)
    assert 503 == await ask("reports")
    await page.wait_for_selector('[id="wakes-local.reports"]', timeout=WITHIN_MS)
    assert (await focused(page)).startswith("cart local"), "the focus is where it was"
    assert is_open is not (await details.get_attribute("open") is not None)
    await page.keyboard.press("Tab")
    assert (await focused(page)).startswith("reports local")
    await page.keyboard.press("Tab")
    assert "JSON" == await focused(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_fits_a_phone_and_can_be_read(shown, scheme, tmp_path):
    """Nothing is cut off at 400 pixels, and text stands out from its ground in both schemes."""
    page, ask, _ = shown
    assert 200 == await ask("cart")
    assert 503 == await ask("reports")
    await page.wait_for_selector('[id="wakes-local.reports"]', timeout=WITHIN_MS)
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": 400, "height": 900})
    await page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert 400 == await page.evaluate("document.documentElement.scrollWidth")
    await page.screenshot(path=tmp_path / f"{scheme}.png", full_page=True)
    assert [] == await page.evaluate(TOO_FAINT)


async def test_roles_and_names_are_told_to_a_screen_reader(shown):
    """Layout as cards on a phone must not take the table away."""
    page, ask, _ = shown
    assert 200 == await ask("cart")
    for width in (1180, 400):
        await page.set_viewport_size({"width": width, "height": 900})
        table = page.get_by_role("table", name="Workloads")
        assert 9 == await table.get_by_role("columnheader", include_hidden=True).count()
        row = table.get_by_role("row").filter(has=page.get_by_role("rowheader", name="cart"))
        assert 8 == await row.get_by_role("cell").count()
    await page.locator('[id="wakes-local.cart"] summary').wait_for(timeout=WITHIN_MS)
    assert "live" == await page.get_by_role("status").inner_text()


async def test_a_lost_connection_is_said(browser, envoy, configuration):
    """What is out of date must not look current."""
    assert envoy
    async with running(configuration[0]) as url:
        page = await browser.new_page()
        await page.goto(url)
        await page.wait_for_selector("#live[data-state=live]", timeout=WITHIN_MS)
    await page.wait_for_selector("#live[data-state=lost]", timeout=WITHIN_MS)


async def picture(page, path: Path) -> None:
    """Take a picture, and keep it if that is asked for."""
    assert len(await page.screenshot(path=path)) > 5_000
    if os.environ.get(KEEP):
        shutil.copy(path, IMAGES / path.name)


async def focused(page) -> str:
    return str(
        await page.evaluate("document.activeElement.textContent.replace(/\\s+/g, ' ').trim()")
    )


TOO_FAINT = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const found = rgb(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim())) continue;
    const one = light(rgb(getComputedStyle(node).color)), other = light(ground(node));
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${node.outerHTML.slice(0, 80)}`);
  }
  return faint;
}"""
"""Texts with less contrast than WCAG's AA asks for."""
