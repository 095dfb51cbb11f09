"""What was measured, for people: a table for the terminal, and the same in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

Record = dict[str, Any]
HEADINGS = (
    "case",
    "side",
    "CPU s (min-max)",
    "wall s (min-max)",
    "times ours",
    "peak MB",
    "tokens / CPU s",
    "share of rate",
    "updates",
    "dev macro-recall",
)


def rows(record: Record) -> list[tuple[str, ...]]:
    """A row a side, as text."""
    found = []
    for side, told in record["sides"].items():
        recall = [value for value in told["dev_macro_recall"] if value is not None]
        share, ratio = told["share_of_rate"], 1.0 if side == "ours" else record[f"ratio_{side}"]
        found.append(
            (
                record["name"] if side == "ours" else "",
                side,
                spread(told["cpu_seconds"]),
                spread(told["wall_seconds"]),
                f"{ratio:.2f}",
                f"{told['peak_mb']:,.0f}",
                f"{told['tokens_per_cpu_second']:,.0f}" if told["tokens_per_cpu_second"] else "",
                f"{share:.0%}" if share else "",
                str(told["updates"] or ""),
                " ".join(f"{100 * value:.1f}" for value in recall),
            )
        )
    return found


def spread(values: dict[str, float]) -> str:
    """Median (least-most)."""
    return f"{values['median']:.2f} ({values['low']:.2f}-{values['high']:.2f})"


def notes(records: Sequence[Record]) -> list[str]:
    """What a reader of the table must know: who the peers are, the rate, agreement, what was skipped, the line."""
    found = []
    for record in records:
        parts = [f"{side}: {record[side]}" for side in ("a", "b") if record[side]]
        if record["operations"]:
            rate = record["sides"]["ours"]["rate"] / 1e9
            parts.append(f"matrix products reach {rate:,.0f} GFLOP per CPU second in {_precision(record)}")
        if (gap := record.get("recall_ours_less_a")) is not None:
            error = "" if gap["error"] is None else f" ± {100 * gap['error']:.1f} (standard error)"
            parts.append(f"dev macro-recall, ours less a: {100 * gap['mean']:+.1f}{error} points")
        if record.get("per"):
            costs = (
                f"{side} {_micro(told['cpu_seconds'], record)} CPU, {_micro(told['wall_seconds'], record)} wall"
                for side, told in record["sides"].items()
            )
            parts.append(f"microseconds a {record['per']} of {record['rows']:,}: {'; '.join(costs)}")
        parts += [f"skipped, {reason}" for reason in record["skipped"]]
        how = f"{record['texts']} texts ({record['source']}), {record['epochs']} epochs, rounds: {record['rounds']}"
        found.append(f"{record['name']}: {'; '.join([*parts, how])}")
        if "fit" in record:
            fit = record["fit"]
            found += [
                f"  {point['texts']:>6,} texts {point['tokens']:>9,} tokens: {point['cpu_seconds']:.1f} CPU s, peak "
                f"{point['peak_mb']:,.0f} MB, without mapped files {point['own_mb'] or 0:,.0f} MB at the end"
                for point in record["points"]
            ]
            found.append(
                f"  straight line: {fit['seconds_per_1000_tokens']:.3f} CPU s per 1,000 tokens, "
                f"{fit['seconds_at_0']:.1f} at none; no point lies more than {fit['furthest_off']:.0%} off"
            )
    return found


def _micro(seconds: dict[str, float], record: Record) -> str:
    low, middle, high = (f"{1e6 * seconds[name] / record['rows']:,.0f}" for name in ("low", "median", "high"))
    return f"{middle} ({low}-{high})"


def _precision(record: Record) -> str:
    return "bf16" if record["bf16"] else "float32"


def terminal(records: Sequence[Record]) -> Table:
    """A rich table."""
    table = Table(*HEADINGS)
    for column in table.columns[2:]:
        column.justify = "right"
    for record in records:
        for row in rows(record):
            table.add_row(*row)
        table.add_section()
    return table


def markdown(records: Sequence[Record]) -> str:
    """The same table and its notes for a page."""
    lines = [HEADINGS, ("---", "---", *["---:"] * (len(HEADINGS) - 2)), *(row for one in records for row in rows(one))]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return table + "\n\n" + "\n".join(f"- {note}" if not note.startswith("  ") else note for note in notes(records))
