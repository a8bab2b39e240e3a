"""Three kinds of SVG, legible in light and dark."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

_STYLE = (
    "<style>text{font:13px sans-serif;fill:#444}.t{font-weight:600}.o{fill:#0b6bcb}.p{fill:#9aa5b1}"
    ".l{stroke:#0b6bcb;fill:none;stroke-width:2}.m{stroke:#9aa5b1;fill:none;stroke-width:1.5}.a{stroke:#9aa5b1}"
    "@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>"
)
_WIDTH, _LEFT, _ROW = 720, 180, 28
_PANEL = 150


class Curve(NamedTuple):
    """Values over time, with a name where there are others."""

    name: str
    values: Sequence[float]


def bars(title: str, values: Mapping[str, float], own: str) -> str:
    """Return horizontal bars, one for each value, our own in colour."""
    height = 40 + _ROW * len(values)
    scale = (_WIDTH - _LEFT - 80) / max(values.values())
    rows = []
    for number, (name, value) in enumerate(values.items()):
        top, length = 36 + _ROW * number, value * scale
        rows.append(
            f'<text x="{_LEFT - 10}" y="{top + 15}" text-anchor="end">{name}</text>'
            f'<rect class="{"o" if name == own else "p"}" x="{_LEFT}" y="{top}" width="{length:.1f}" height="20" rx="2"/>'
            f'<text x="{_LEFT + length + 8:.1f}" y="{top + 15}">{value:,.0f}</text>'
        )
    return _svg(title, height, rows)


def lines(title: str, points: Sequence[tuple[float, float]]) -> str:
    """Return one line through points, from the origin."""
    height, bottom = 240, 205
    right, top = max(x for x, _ in points), max(y for _, y in points)
    places = [(60 + x / right * (_WIDTH - 120), bottom - y / top * 150) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in [(60.0, float(bottom)), *places])
    marks = [
        f'<circle class="o" cx="{x:.1f}" cy="{y:.1f}" r="3"/><text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{count:g}</text>'
        f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{value:.2f}</text>'
        for (x, y), (count, value) in zip(places, points, strict=True)
        if count == right or count * 5 >= right
    ]
    axis = f'<line class="a" x1="60" y1="{bottom}" x2="{_WIDTH - 50}" y2="{bottom}"/>'
    return _svg(title, height, [axis, f'<polyline class="l" points="{path}"/>', *marks])


def over_time(title: str, times: Sequence[float], panels: Mapping[str, Sequence[Curve]]) -> str:
    """Return a panel for each group of curves, the first of each in colour, all from zero and over the same time."""
    height = 50 + _PANEL * len(panels)
    right = max(times)
    content = []
    for number, (heading, curves) in enumerate(panels.items()):
        bottom = 30 + _PANEL * (number + 1)
        top = max(max(curve.values) for curve in curves) or 1
        names = ", ".join(curve.name for curve in curves if curve.name)
        content += [
            f'<text x="60" y="{bottom - 112}">{heading}{f": {names}" if names else ""}</text>',
            f'<line class="a" x1="60" y1="{bottom}" x2="{_WIDTH - 50}" y2="{bottom}"/>',
            f'<text x="52" y="{bottom}" text-anchor="end">0</text>',
            f'<text x="52" y="{bottom - 90}" text-anchor="end">{top:.3g}</text>',
        ]
        for curve in reversed(curves):
            places = (
                f"{60 + x / right * (_WIDTH - 110):.1f},{bottom - y / top * 95:.1f}"
                for x, y in zip(times, curve.values, strict=True)
            )
            kind = "l" if curve is curves[0] else "m"
            content.append(f'<polyline class="{kind}" points="{" ".join(places)}"/>')
    content.append(f'<text x="{_WIDTH - 50}" y="{height - 6}" text-anchor="end">{right:.0f} s</text>')
    return _svg(title, height, content)


def _svg(title: str, height: int, content: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{title}">{_STYLE}'
        f'<text class="t" x="10" y="20">{title}</text>{"".join(content)}</svg>\n'
    )
