"""The page in a real browser: no errors, nothing asked of a network, and no sideways scrolling on phone or desktop."""

import base64
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stages import report as stage
from tests import toy_runs
from tests.chromium import BROWSER, QUIET

WIDTHS = (390, 1200)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here; name one in RETONE_BROWSER")

LISTEN = """<script>
window.found = {errors: [], refused: []};
addEventListener("error", event => found.errors.push(String(event.message || event.target.outerHTML)), true);
addEventListener("unhandledrejection", event => found.errors.push(String(event.reason)));
addEventListener("securitypolicyviolation", event => found.refused.push(event.blockedURI));
</script>"""
"""What the page may not do is refused by a policy, and told."""
POLICY = """<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">"""
TELL = """<script>
addEventListener("load", () => {
  document.querySelectorAll("details").forEach(each => each.open = true);
  const root = document.documentElement;
  found.asked = performance.getEntriesByType("resource").map(entry => entry.name);
  found.wide = [innerWidth, root.scrollWidth, document.body.scrollWidth];
  const tall = each => each.getBoundingClientRect().height > 40;
  found.pictures = [...document.querySelectorAll("svg")].filter(tall).length;
  const mark = document.querySelector(".tip");
  const said = mark.querySelector(".said");
  found.before = getComputedStyle(said).display;
  mark.focus();
  found.focused = getComputedStyle(said).display;
  found.cut = [...document.querySelectorAll(".said")].filter(each => {
    each.style.display = "inline";
    const box = each.getBoundingClientRect(), frame = each.ownerSVGElement.getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
  }).map(each => each.textContent);
  parent.postMessage(JSON.stringify(found), "*");
});
</script>"""
AROUND = """<body>{frames}<pre id="told"></pre><script>
const told = {{}};
addEventListener("message", event => {{
  const frame = [...document.querySelectorAll("iframe")].find(each => each.contentWindow === event.source);
  told[frame.width] = JSON.parse(event.data);
  document.getElementById("told").textContent = btoa(unescape(encodeURIComponent(JSON.stringify(told))));
}});
document.querySelectorAll("iframe").forEach(each => each.src = each.dataset.page);
</script></body>"""


def looked_at(page: str, folder: Path) -> dict[str, Mapping[str, Any]]:
    """What a browser finds in a page at each width."""
    watched = page.replace("<head>", f"<head>{POLICY}{LISTEN}", 1).replace("</body>", f"{TELL}</body>", 1)
    (folder / "page.html").write_text(watched, encoding="utf-8")
    frames = "".join(f'<iframe width="{width}" height="800" data-page="page.html"></iframe>' for width in WIDTHS)
    (folder / "around.html").write_text(AROUND.format(frames=frames), encoding="utf-8")
    command = [str(BROWSER), *QUIET, "--timeout=20000", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    address = (folder / "around.html").as_uri()
    done = subprocess.run([*command, address], capture_output=True, text=True, timeout=120, check=False)
    match = re.search(r'<pre id="told">([^<]+)</pre>', done.stdout)
    assert match, f"{BROWSER} said nothing: {done.stderr[-500:]}"
    return dict(json.loads(base64.b64decode(match[1])))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("browser")
    toy = toy_runs.Toy(corpora=("starter-reviews", "airline"))
    out = root / "out"
    out.mkdir()
    settings = stage.Settings(draws=1000, verdict_draws=1000)
    stage.report(settings, **toy_runs.write(root / "artifacts", toy), recipe="mine", out=out)
    return (out / "report.html").read_text(encoding="utf-8")


def test_the_page_works_in_a_browser(page: str, tmp_path: Path) -> None:
    found = looked_at(page, tmp_path)
    assert sorted(found, key=int) == [str(width) for width in WIDTHS]
    for width, told in found.items():
        assert told["errors"] == []
        assert told["refused"] == told["asked"] == [], "the page asks for something"
        inner, *content = told["wide"]
        assert inner == int(width)
        assert max(content) <= inner, f"wider than {width} px"
        assert told["pictures"] == page.count("<svg ")
        assert told["before"] == "none" != told["focused"]
        assert told["cut"] == [], "values that do not fit below their drawing"


def test_what_a_page_must_not_do_is_noticed(tmp_path: Path) -> None:
    """The checks above would fail."""
    bad = """<html><head></head><body><div style="width: 2000px">wide</div><img src="https://example.org/x.png">
    <svg class="tip"><text class="said">x</text></svg><script>broken()</script></body></html>"""
    for told in looked_at(bad, tmp_path).values():
        assert any("broken" in each for each in told["errors"])
        assert told["refused"]
        assert told["wide"][1] > told["wide"][0]
