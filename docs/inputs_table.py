"""The tables of docs/inputs.md, from the readers themselves; docs/build.py writes them."""

from __future__ import annotations

from pathlib import Path

from hedgeopt.inputs.payloads.recognise import FORMS
from hedgeopt.inputs.payloads.tables import TABLE_FORMS
from hedgeopt.inputs.quotes import QUOTE_TABLE

__all__ = ["inputs_page", "tables", "written"]

PAGE = Path(__file__).resolve().parent / "inputs.md"
_MARK = "<!-- {name}: written by make docs -->\n"


def tables() -> dict[str, str]:
    """The text of each table, by the name of its mark."""
    forms = ["| form | holds | recognised by | checked | documentation |", "|---|---|---|---|---|"]
    for form in FORMS:
        keys = ", ".join(f"`{key}`" for key in sorted(form.keys))
        forms.append(f"| {form.name} | {form.holds} | {keys} | {form.checked} | {form.source} |")
    for name, holds, keys, checked, source in TABLE_FORMS:
        forms.append(f"| {name} | {holds} | {', '.join(f'`{key}`' for key in sorted(keys))} | {checked} | {source} |")
    quotes = ["| column | type | contents |", "|---|---|---|"]
    for column in QUOTE_TABLE:
        needed = " (required)" if column.required else ""
        quotes.append(f"| `{column.name}` | {column.type} | {column.meaning}{needed} |")
    return {"forms": "\n".join(forms) + "\n", "quotes": "\n".join(quotes) + "\n"}


def written(text: str) -> str:
    """The page with its tables as they are now."""
    for name, table in tables().items():
        start, end = _MARK.format(name=name), f"<!-- end of {name} -->\n"
        head, _, rest = text.partition(start)
        text = head + start + "\n" + table + "\n" + end + rest.partition(end)[2]
    return text


def inputs_page() -> str:
    """The text of docs/inputs.md."""
    return written(PAGE.read_text(encoding="utf-8"))
