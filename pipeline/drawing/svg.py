"""SVG that takes its colours and letters from the page around it, and stands alone as a file, too.

Matplotlib draws with stand-in colours, which are swapped for CSS here (`currentColor`, `var(--arm-0, ...)`), so that
one drawing is readable in print, in light and in dark. A mark with a ``tip`` shows its values in a line below the
drawing when it is pointed at, tapped or reached with the keyboard: CSS alone. The same drawing gives the same bytes.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from dataclasses import dataclass, replace
from textwrap import wrap

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from pipeline.common.printable import printable
from pipeline.drawing.tables import Estimate, amount

INK, MUTED, GRID, ACCENT, OTHER = "#000001", "#000002", "#000003", "#000004", "#000005"
HELPED, HURT, UNDECIDED, CARD = "#000006", "#000007", "#000008", "#000009"
_TIP = "tip of "
_MARK, _SAID = f'<g id="{_TIP}([^"]*)">', 'class="said"'
_LINE, _LETTER = 14, 6.8
"""Height of a line and width of a letter, in points: of a wide font, so that no line is cut."""
ARM_COLOURS = tuple(f"#0000{index:02x}" for index in range(16, 24))
_ARMS = ("#64748b", "#c2410c", "#2563eb", "#0f766e", "#9333ea", "#be185d", "#4d7c0f", "#8b5e3c")
_CSS = {
    INK: "currentColor",
    MUTED: "var(--muted, #6b7280)",
    GRID: "var(--grid, #9ca3af55)",
    ACCENT: "var(--accent, #0f766e)",
    OTHER: "var(--other, #b45309)",
    HELPED: "var(--helped, #14713d)",
    HURT: "var(--hurt, #b42318)",
    UNDECIDED: "var(--undecided, #5d5a54)",
    CARD: "var(--card, #ffffff)",
    **{each: f"var(--arm-{at}, {usual})" for at, (each, usual) in enumerate(zip(ARM_COLOURS, _ARMS, strict=True))},
}
STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
}
LABEL_CHARACTERS = 24


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A transparent figure of that many inches, outside pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.subplots()
    axes.patch.set_visible(False)
    return figure, axes


def tip(mark: Artist, said: str) -> None:
    """Let a mark (a line, a patch, a text) say its values when it is looked at."""
    mark.set_gid(_TIP + printable(said))


def inline(figure: Figure, name: str) -> str:
    """SVG text of a drawing: no date, identifiers that hold the name, the page's fonts and colours, the tips."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the browser has the emoji, matplotlib need not
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        FigureCanvasSVG(figure).print_svg(buffer, metadata=metadata)  # savefig draws twice, for a page's bounds
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = _with_tips(text)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'href="#', f'href="#{name}-', text).replace("url(#", f"url(#{name}-")
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;]*;", "font-family: inherit;", text)
    for stand_in, css in _CSS.items():
        text = text.replace(stand_in, css)
    return text


def _with_tips(text: str) -> str:
    """Marks that can be looked at, and room for lines below the drawing that say what they are."""
    box = re.search(r'height="[\d.]+pt" viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    marks = re.findall(_MARK, text)
    if not marks or box is None:
        return text
    width, height = float(box[1]), float(box[2])
    said = {mark: wrap(html.unescape(mark), int(width / _LETTER)) or [""] for mark in marks}
    taller = f"{height + _LINE * max(map(len, said.values())) + 6:g}"

    def marked(mark: re.Match[str]) -> str:
        lines = (
            f'<tspan x="{width / 2:g}" y="{height + _LINE * place:g}">{html.escape(line)}</tspan>'
            for place, line in enumerate(said[mark[1]], start=1)
        )
        shown = f'<text class="said" text-anchor="middle">{"".join(lines)}</text>'
        return f'<g class="tip" tabindex="0" role="img" aria-label="{mark[1]}">{shown}'

    return re.sub(_MARK, marked, text.replace(box[0], f'height="{taller}pt" viewBox="0 0 {width:g} {taller}"'))


def standalone(svg: str) -> str:
    """The drawing as a file of its own: dark ink on light pages, light ink on dark ones."""
    ink = ":root{color:#1c1b19}@media (prefers-color-scheme:dark){:root{color:#e9e7e2}}"
    tips = ".said{display:none}.tip:hover>.said,.tip:focus>.said{display:inline;font:11px sans-serif}"
    head, tail = svg.split(">", 1)
    return f"{head}><style>{ink}{tips if _SAID in tail else ''}</style>{tail}"


@dataclass(frozen=True)
class Picture:
    """An SVG with what to read in it; ``name`` is its file's."""

    name: str
    title: str
    caption: str
    svg: str


def label(name: str) -> str:
    """A name that leaves room for the drawing."""
    shown = printable(name)
    return shown if len(shown) <= LABEL_CHARACTERS else shown[: LABEL_CHARACTERS - 1] + "…"


def told(figure: Estimate, *, digits: int = 1, factor: int = 100, unit: str = "%") -> str:
    """A figure in one line: ``72.5% (69.5–75.5), 300 items``."""
    cell = amount(figure, digits, factor)
    return f"{replace(cell, text=cell.text + unit).line}, {figure['n']:,} items"
