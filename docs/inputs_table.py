"""The tables of docs/inputs.md, from the readers themselves; docs/build.py writes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from hedgeopt.inputs import payloads
from hedgeopt.inputs.payloads.form import Form
from hedgeopt.inputs.payloads.recognise import FORMS
from hedgeopt.inputs.payloads.tables import TABLE_FORMS
from hedgeopt.inputs.quotes import QUOTE_TABLE

__all__ = ["inputs_page", "tables", "written"]

PAGE = Path(__file__).resolve().parent / "inputs.md"
EXAMPLES = PAGE.parent.parent / "tests" / "inputs" / "payloads" / "examples"
_MARK = "<!-- {name}: written by make docs -->\n"


def tables() -> dict[str, str]:
    """The text of each table, by the name of its mark."""
    forms = [
        "| form | holds | recognised by | reader | example | checked | documentation |",
        "|---|---|---|---|---|---|---|",
    ]
    for form in FORMS:
        forms.append(_row(form.name, form.holds, form.keys, _reader(form), form.checked, form.source))
    for name, holds, columns, checked, source in TABLE_FORMS:
        reader = "tardis" if name.startswith("Tardis") else "histories"
        forms.append(_row(name, holds, columns, reader, checked, source))
    quotes = ["| column | type | contents |", "|---|---|---|"]
    for column in QUOTE_TABLE:
        needed = " (required)" if column.required else ""
        quotes.append(f"| `{column.name}` | {column.type} | {column.meaning}{needed} |")
    return {"forms": "\n".join(forms) + "\n", "quotes": "\n".join(quotes) + "\n"}


def _row(name: str, holds: str, keys: Iterable[str], reader: str, checked: str, source: str) -> str:
    (example,) = EXAMPLES.glob(f"{name.lower().replace(' ', '-')}.*")
    code = f"[{reader}](../hedgeopt/inputs/payloads/{reader}.py)"
    told = ", ".join(f"`{key}`" for key in sorted(keys))
    reply = f"[{example.suffix[1:]}](../{example.relative_to(PAGE.parent.parent).as_posix()})"
    return f"| {name} | {holds} | {told} | {code} | {reply} | {checked} | {source} |"


def _reader(form: Form) -> str:
    """The module that declares a form."""
    modules = (module for module in vars(payloads).values() if isinstance(module, ModuleType))
    return next(
        module.__name__.rpartition(".")[2] for module in modules if any(one is form for one in vars(module).values())
    )


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
