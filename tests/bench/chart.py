"""Draws the figures: one panel a scenario, one bar a server, as SVG.

A bar is the median, the thin line over it goes from the least to the greatest.
The axis of each panel begins at 0.
"""
from xml.sax.saxutils import escape

WIDTH = 920
LABEL = 250     # to the left of the bars
VALUE = 120     # to the right of them
BAR = 16
STEP = 24
PANEL = 62      # a panel without its bars
COLUMNS = 1

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-size: 20px; font-weight: 600 }
.name { font-weight: 600; font-size: 14px }
.note { fill: #57606a; font-size: 12px }
.axis { stroke: #d0d7de; stroke-width: 1 }
.syncd { fill: #1f6feb } .peer { fill: #b6bfc9 }
.range { stroke: #24292f; stroke-width: 1.2; opacity: .65 }
"""


def number(value):
    """Three digits that matter."""
    if value >= 10000:
        return "{:,.0f}".format(value)
    if value >= 100:
        return "%.0f" % value
    return "%.1f" % value if value >= 10 else "%.2f" % value


def text(x, y, content, kind="", anchor="start"):
    return '<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>' % (
        x, y, kind, anchor, escape(content))


def bar(row, y, most):
    room = WIDTH - LABEL - VALUE
    scale = room / most if most else 0
    kind = "syncd" if row["subject"].startswith("syncd") else "peer"
    middle = y + BAR / 2
    length = max(row["median"] * scale, 1)
    yield text(LABEL - 10, y + 13, row["subject"], "", "end")
    yield '<rect x="%d" y="%.1f" width="%.1f" height="%d" rx="2" class="%s">' \
        '<title>%s</title></rect>' % (LABEL, y, length, BAR, kind,
                                      escape(row["settings"] or ""))
    if row["greatest"] > row["least"]:
        yield '<path d="M%.1f %.1fH%.1f" class="range"/>' % (
            LABEL + row["least"] * scale, middle,
            LABEL + row["greatest"] * scale)
    end = LABEL + max(length, row["greatest"] * scale)
    yield text(end + 8, y + 13, number(row["median"]))


def panel(rows, y):
    first = rows[0]
    better = "less is better" if first["better"] == "less" else \
        "more is better"
    most = max(row["greatest"] for row in rows)
    yield text(10, y + 18, first["title"], "name")
    yield text(WIDTH - 10, y + 18, "%s, %s" % (first["unit"], better), "note",
               "end")
    top = y + 32
    for i, row in enumerate(rows):
        yield from bar(row, top + i * STEP, most)
    yield '<path d="M%d %.1fV%.1f" class="axis"/>' % (
        LABEL, top - 4, top + len(rows) * STEP - 4)


def draw(rows, note):
    """The whole picture. `rows` as the JSON lines have them, one panel for
    each scenario and measure, in their order."""
    panels = {}
    for row in rows:
        panels.setdefault((row["scenario"], row["measure"]), []).append(row)
    body, y = [], 70
    for group in panels.values():
        body.extend(panel(group, y))
        y += PANEL + len(group) * STEP - 12
    head = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" '
            'width="%d" height="%d">' % (WIDTH, y, WIDTH, y),
            "<style>%s</style>" % STYLE,
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            text(10, 32, "syncd beside its neighbours", "title"),
            text(10, 52, note, "note")]
    return "\n".join(head + body + ["</svg>", ""])
