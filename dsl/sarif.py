"""Diagnostics as SARIF 2.1.0, the form in which code hosts and editors take the findings of a checker."""

import os
from collections.abc import Iterable
from urllib.parse import quote

from archc.dsl.codes import CODES
from archc.dsl.diagnostics import Diagnostic
from archc.dsl.explain import explanation, plain
from archc.dsl.render import Place, render_json

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_sarif(diagnostics: Iterable[Diagnostic], *, version: str) -> dict[str, object]:
    """Return diagnostics as a SARIF log of one run; `version` is that of archc.

    Lines and columns count from 1, columns in code points; the end column is the first one after the text. Each code
    that occurs is a rule, with its explanation. Paths below the current folder are relative to it.

    >>> from archc.dsl.diagnostics import Label
    >>> from archc.dsl.source import Source, Span
    >>> found = Diagnostic("E0101", "unknown name `relo`", Label(Span(Source("a.arch", "relo"), 0, 4), ""))
    >>> log = render_sarif([found], version="1.0")
    >>> log["version"], [result["ruleId"] for result in log["runs"][0]["results"]]
    ('2.1.0', ['E0101'])
    """
    records = render_json(diagnostics)
    codes = sorted({record["code"] for record in records})
    results = [
        {
            "ruleId": record["code"],
            "ruleIndex": codes.index(record["code"]),
            "level": record["severity"],
            "message": {"text": record["message"] + (f"\n{record['help']}" if record["help"] else "")},
            "locations": [{"physicalLocation": _physical(record)}],
            "relatedLocations": [
                {
                    "id": number,
                    "message": {"text": related["message"] or "here"},
                    "physicalLocation": _physical(related),
                }
                for number, related in enumerate(record["related"])
            ],
        }
        for record in records
    ]
    driver = {"name": "archc", "semanticVersion": version, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, object]:
    text = explanation(code)
    return {
        "id": code,
        "shortDescription": {"text": CODES[code]},
        "help": {"text": plain(text), "markdown": text},
        "defaultConfiguration": {"level": "error" if code.startswith("E") else "warning"},
    }


def _physical(place: Place) -> dict[str, object]:
    return {
        "artifactLocation": {"uri": _uri(place["file"])},
        "region": {
            "startLine": place["line"],
            "startColumn": place["column"],
            "endLine": place["end_line"],
            "endColumn": place["end_column"],
        },
    }


def _uri(path: str) -> str:
    path = path.replace(os.sep, "/")
    return ("file://" if path.startswith("/") else "") + quote(path)
