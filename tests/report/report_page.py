"""Reads a report as a program does, strictly: elements must be closed in order."""

import html.parser

_VOID = {"meta", "br"}
_CELLS = {"th", "td"}


class ReportPage(html.parser.HTMLParser):
    """What is on a page: by section its text, its tables as rows of cells, the descriptions of its pictures."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: dict[str, str] = {"": ""}
        self.tables: dict[str, list[list[list[str]]]] = {"": []}
        self.pictures: dict[str, list[str]] = {"": []}
        self._section = ""
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert not self._open

    def cells(self, section: str, row: str, table: int = 0) -> list[str]:
        """The cells of a row by its first."""
        (found,) = (cells for cells in self.tables[section][table] if cells[0] == row)
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes += values.items()
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "section":
            self._section = values["id"]
            self.text[self._section] = ""
            self.tables[self._section], self.pictures[self._section] = [], []
        elif tag == "table":
            self.tables[self._section].append([])
        elif tag == "tr":
            self.tables[self._section][-1].append([])
        elif tag in _CELLS:
            self.tables[self._section][-1][-1].append("")
        elif tag == "svg":
            self.pictures[self._section].append(values["aria-label"])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"style", "svg"} & set(self._open):
            return
        self.text[self._section] += data
        if _CELLS & set(self._open):
            self.tables[self._section][-1][-1][-1] += data
