"""What is wrong with a page: elements that do not match, references to nothing, what a screen reader would miss."""

from __future__ import annotations

from html.parser import HTMLParser


VOID = {"meta", "link", "br", "img", "input", "hr"}
DRAWN = {"line", "circle", "path", "rect"}
NOT_IN_P = {"p", "ul", "ol", "dl", "div", "table", "details", "figure", "section", "h1", "h2", "h3", "pre", "nav"}
FETCHING = {"src", "srcset", "data", "action", "formaction", "poster", "background", "xlink:href", "style"}


class StrictParser(HTMLParser):
    """Collects complaints about one page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.complaints: list[str] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.wanted: list[str] = []
        self.headings: list[int] = []
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self._check(tag, values, attrs)
        if tag in NOT_IN_P and "p" in self.open:
            self.complaints.append(f"<{tag}> in <p>")
        if tag in ("h1", "h2", "h3"):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def _check(self, tag: str, values: dict[str, str | None], attrs: list[tuple[str, str | None]]) -> None:
        if len(values) != len(attrs):
            self.complaints.append(f"<{tag}> has an attribute twice")
        self.ids += [str(values["id"])] if "id" in values else []
        self.wanted += str(values.get("aria-labelledby") or "").split()
        address = str(values.get("href") or "")
        if address.startswith("#"):
            self.wanted.append(address[1:])
        elif address and not address.startswith(("./", "data:,")):
            self.complaints.append(f"<{tag}> leads to {address}")
        for name, value in values.items():
            if name.startswith("on") or (name in FETCHING and not str(value).startswith("data:image/")):
                self.complaints.append(f"<{tag} {name}>")
        if tag == "img" and not values.get("alt"):
            self.complaints.append("<img> without alt")
        if tag == "svg" and values.get("aria-hidden") != "true" and values.get("role") != "img" and "x" not in values:
            self.complaints.append("<svg> that is neither hidden nor an image")
        if tag == "svg" and values.get("role") == "img" and "aria-labelledby" not in values:
            self.complaints.append("<svg> without a name")
        if tag == "th" and values.get("scope") not in ("row", "col"):
            self.complaints.append("<th> without scope")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._check(tag, dict(attrs), attrs)
        if tag not in DRAWN:
            self.complaints.append(f"<{tag}/>")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.complaints.append(f"</{tag}> closes {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)


def parsed_page(page: str) -> StrictParser:
    parser = StrictParser()
    parser.feed(page)
    parser.close()
    if parser.open:
        parser.complaints.append(f"never closed: {parser.open}")
    doubled = {name for name in parser.ids if parser.ids.count(name) > 1}
    parser.complaints += [f"id twice: {name}" for name in doubled]
    parser.complaints += [f"refers to nothing: {name}" for name in parser.wanted if name not in parser.ids]
    if parser.headings[:1] != [1] or parser.headings.count(1) != 1:
        parser.complaints.append(f"headings {parser.headings}")
    for before, after in zip(parser.headings, parser.headings[1:], strict=False):
        if after > before + 1:
            parser.complaints.append(f"<h{after}> after <h{before}>")
    if parser.tags.count("table") != parser.tags.count("caption"):
        parser.complaints.append("a table without a caption")
    return parser
