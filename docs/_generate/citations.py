"""Docstrings cite by short names, "seed 001" and "M4"; pages say the paper and link the model."""

from __future__ import annotations

import posixpath
import re

PAPERS = {
    "000": ("Wüller et al.", "wueller"),
    "001": ("Ramirez Acosta et al. 2023", "ramirez-acosta"),
    "002": ("Yazdani Damavandi et al.", "damavandi"),
    "003": ("Flexibility scheduling 2025", "flexibility"),
    "004": ("Moosavian 2025", "moosavian"),
}
"""Papers by number: how they are cited, and their anchor on the page of papers."""

MODELS = {
    "1": ("units", "models/units.md"),
    "2": ("Fliegerhorst", "models/fliegerhorst.md"),
    "3": ("objectives", "models/neighbourhood.md"),
    "4": ("redispatch", "models/dso.md"),
    "5": ("process", "models/negotiation.md"),
    "6": ("COHDA", "models/negotiation.md"),
    "7": ("benchmarks", "models/benchmarks.md"),
    "8": ("several neighbourhoods", "models/benchmarks.md"),
    "9": ("markets", "models/markets.md"),
    "10": ("pricing", "models/pricing.md"),
    "11": ("bundles", "models/bundles.md"),
}
"""Parts of the model by number: what they are called, and their page."""

_PAPER = re.compile(r"\b[Ss]eed (\d{3})\b")
_MODEL = re.compile(r"(?<![\w`])M(\d{1,2})(?![\w`])")


def cited(text: str, page: str) -> str:
    """Write out the citations in a page's Markdown.

    Parameters
    ----------
    page
        Path of the page below ``docs``, which links are relative to.
    """

    def link(name: str, target: str, anchor: str = "") -> str:
        path = posixpath.relpath(target, posixpath.dirname(page) or ".")
        return f"[{name}]({path}{anchor})"

    def paper(match: re.Match[str]) -> str:
        name, anchor = PAPERS[match[1]]
        return link(name, "reference/papers.md", f"#{anchor}")

    def model(match: re.Match[str]) -> str:
        return link(*MODELS[match[1]]) if match[1] in MODELS else ""

    text = re.sub(r"\s*\(M12\)|[;,] M12(?=[;)])|M12; ", "", text)  # the page of KPIs is M12
    return _MODEL.sub(model, _PAPER.sub(paper, text))


def markdown(docstring: str) -> str:
    """Turn the little reStructuredText of our docstrings into Markdown."""
    text = re.sub(r":(?:data|class|func|mod|meth|attr):`~?([^`]*)`", r"`\1`", docstring)
    return text.replace("``", "`")


def table(head: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
