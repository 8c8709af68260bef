# SPDX-License-Identifier: LicenseRef-Pollen8-Proprietary
"""Samples → medians and medians of ratios → tables and black-and-white plots."""
import html
import json
import statistics

from .peers import PEERS
from .rows import ROWS

BASES = (("socketio", "× Socket.IO"), ("limit", "× limit"), ("limit-batch", "× limit-batch"), ("bare", "× bare"))


class Results:
    def __init__(self, samples):
        self.samples = samples
        self.peers = list(dict.fromkeys(s["peer"] for s in samples))
        self.rows = [row for row in ROWS.values() if any(s["row"] == row.name for s in samples)]

    def of(self, row, peer):
        return {s["repetition"]: s for s in self.samples if s["row"] == row.name and s["peer"] == peer}

    def median(self, row, peer, key):
        values = [s[key] for s in self.of(row, peer).values()]
        return statistics.median(values) if values else None

    def ratio(self, row, peer, base, key):
        """The median of the ratios inside each repetition; None where there is none."""
        ours, theirs = self.of(row, peer), self.of(row, base)
        ratios = [ours[n][key] / theirs[n][key] for n in ours if n in theirs and theirs[n][key]]
        return statistics.median(ratios) if ratios else None

    def table(self, row):
        """Headings and lines of one row's table."""
        bases = [(base, text) for base, text in BASES if base in self.peers and self.of(row, base)]
        ratios = [(metric, base, text) for metric in row.metrics if metric.ratio for base, text in bases]
        first = row.metrics[0]
        head = ["peer"]
        for metric in row.metrics:
            head += [metric.heading, "range"] if metric is first else [metric.heading]
        several = sum(metric.ratio for metric in row.metrics) > 1
        head += [text + (f" ({metric.heading.split(' ')[0] if metric.key != 'cpu_us' else 'CPU'})" if several else "")
                 for metric, _, text in ratios] + ["complete"]
        lines = []
        for peer in self.peers:
            samples = self.of(row, peer)
            if not samples:
                continue
            line = [peer]
            for metric in row.metrics:
                line.append(metric.form.format(self.median(row, peer, metric.key)))
                if metric is first:
                    values = [s[metric.key] for s in samples.values()]
                    line.append(f"{metric.form.format(min(values))}..{metric.form.format(max(values))}")
            for metric, base, _ in ratios:
                value = self.ratio(row, peer, base, metric.key)
                line.append("-" if value is None else f"{value:.2f}")
            line.append("yes" if all(s["complete"] for s in samples.values()) else "NO")
            lines.append(line)
        return head, lines

    def turns(self, row):
        """A line a peer that tells of its loop."""
        for peer in self.peers:
            samples = [s for s in self.of(row, peer).values() if "turns" in s]
            if samples:
                yield (f"{peer}: {sum(s['turns_long'] for s in samples):,} of {sum(s['turns'] for s in samples):,} turns of its "
                       "loop that took 1 ms or more took over 5 ms")

    def summary(self):
        """A figure of a row and peer each: its median and its ratios."""
        for row in self.rows:
            for peer in self.peers:
                for metric in row.metrics if self.of(row, peer) else ():
                    ratios = {base: self.ratio(row, peer, base, metric.key) for base, _ in BASES if metric.ratio}
                    yield {"row": row.name, "peer": peer, "figure": metric.key, "less_is_better": metric.less,
                           "median": round(self.median(row, peer, metric.key), 3),
                           "ratios": {base: round(value, 3) for base, value in ratios.items() if value is not None},
                           "complete": all(s["complete"] for s in self.of(row, peer).values())}


def text_table(head, lines):
    widths = [max(len(row[i]) for row in [head, *lines]) for i in range(len(head))]
    def put(row):
        return "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))).rstrip()
    return "\n".join(map(put, [head, *lines]))


def markdown_table(head, lines):
    return "\n".join(["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1),
                      *("| " + " | ".join(line) + " |" for line in lines)])


def plot(results, row):
    """One bar a peer of the row's first metric; the thin line is the range of the repetitions."""
    metric = row.metrics[0]
    peers = [p for p in results.peers if results.of(row, p)]
    values = {p: [s[metric.key] for s in results.of(row, p).values()] for p in peers}
    largest = max(max(v) for v in values.values()) or 1
    left, width, step, top = 130, 470, 26, 46
    def x(value):
        return left + width * max(value, 0) / largest
    height = top + step * len(peers) + 8
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" width="720" height="{height}" '
           'font-family="sans-serif" font-size="12">', f'<rect width="720" height="{height}" fill="#fff"/>',
           f'<text x="8" y="18" font-weight="bold">{html.escape(row.title)}</text>',
           f'<text x="8" y="35" fill="#555">{html.escape(metric.heading)}{" (less is better)" if metric.less else ""}</text>']
    for i, peer in enumerate(peers):
        y = top + i * step
        middle = statistics.median(values[peer])
        end = max(x(max(values[peer])), x(middle))
        out += [f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{html.escape(peer)}</text>',
                f'<rect x="{left}" y="{y + 3}" width="{x(middle) - left:.1f}" height="16" '
                f'fill="{"#000" if peer == "pollen8" else "#bbb"}"/>',
                f'<line x1="{x(min(values[peer])):.1f}" x2="{x(max(values[peer])):.1f}" y1="{y + 21}" y2="{y + 21}" '
                'stroke="#000"/>',
                f'<text x="{end + 6:.1f}" y="{y + 15}">{metric.form.format(middle)}</text>']
    return "\n".join(out + ["</svg>", ""])


def write(folder, results, about):
    """results.md, results.jsonl and a plot a row."""
    folder.mkdir(parents=True, exist_ok=True)
    text = ["# Results of ./pollen8 bench", "", *about, "",
            "Medians of the repetitions; a ratio is the median of the ratios inside each repetition. `complete`: every "
            "session got every event, nothing was lost and nothing failed.", "", "| peer | what |", "|---|---|",
            *(f"| {name} | {PEERS[name].about} |" for name in results.peers if name in PEERS), ""]
    for row in results.rows:
        (folder / f"{row.name}.svg").write_text(plot(results, row))
        text += [f"## {row.title}", "", f"![{row.name}]({row.name}.svg)", "", markdown_table(*results.table(row)), "",
                 *(line + "\n" for line in results.turns(row))]
    (folder / "results.md").write_text("\n".join(text))
    (folder / "results.jsonl").write_text("".join(json.dumps(s) + "\n" for s in results.samples))
