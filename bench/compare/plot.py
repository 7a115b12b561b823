# SPDX-License-Identifier: GPL-3.0-or-later
"""Horizontal bars with the spread of the runs, as SVG without any library. Colours hold on white and on dark paper."""
from html import escape

LABEL, WIDE, RIGHT, ROW, TOP = 430, 420, 90, 26, 56
OURS, OTHERS, INK, FAINT = "#1a7f64", "#7c8796", "#57606a", "#8b949e"


def text(x, y, what, size=13, anchor="start", colour=INK, weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">{escape(what)}</text>'


def bars(title, unit, rows):
    """rows: (label, median, least, most, ours)"""
    height = TOP + ROW * len(rows) + 12
    scale = WIDE / max([most for _, _, _, most, _ in rows] + [1e-9])
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LABEL + WIDE + RIGHT} {height}" font-family="system-ui, sans-serif" role="img">',
           f"<title>{escape(title)}</title>", text(8, 22, title, 16, weight="bold"), text(8, 41, unit + "; the line is from the least to the most of the runs", 12, colour=FAINT)]
    for i, (label, value, least, most, ours) in enumerate(rows):
        y = TOP + ROW * i
        middle = y + ROW / 2
        out.append(text(LABEL - 10, middle + 4, label, anchor="end", weight="bold" if ours else "normal"))
        out.append(f'<rect x="{LABEL}" y="{y + 5}" width="{max(1, value * scale):.1f}" height="{ROW - 10}" rx="2" fill="{OURS if ours else OTHERS}"/>')
        out.append(f'<path d="M{LABEL + least * scale:.1f} {middle}H{LABEL + most * scale:.1f}" stroke="{INK}" stroke-width="2"/>')
        shown = f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
        out.append(text(LABEL + most * scale + 8, middle + 4, shown))
    return "\n".join(out + ["</svg>"]) + "\n"
