"""JSON and TOML that cannot be read: the line says where, what stands there, and how to mend it."""

from __future__ import annotations

import pytest

from hedgeopt.errors import InputError
from hedgeopt.files.parsing import from_json, from_toml
from hedgeopt.files.reading import parse_json, parse_toml

LONG = "f" * 5_000
JSON = [
    ('{"a": NaN}', "x.json: a: must be a finite number (got nan); write a finite number"),
    ('{"a": [{}, {"b": -Infinity}]}', "x.json: a.1.b: must be a finite number (got -inf); write"),
    ('{"a": 1e400}', "a: must be a finite number (got inf)"),
    ('{"a": ' + "9" * 400 + "}", "a: is a whole number of more than 300 digits; nothing needs so many"),
    ('{"a": {"b": 1, "c": 2, "b": 1}}', "a.b: is given twice; keep one of them"),
    ('{"a": "\\ud800"}', "half a character", "remove it"),
    ("{'a': 1}", "is not JSON: ", "line 1, column 2", "double quotes"),
    ('{"a": 1,\n}', "line 2, column 1 (got '}'); remove the comma before it"),
    ('{"a": 1} # mine', "(got '# mine')", "JSON has no comments: remove them"),
    ('{"a": 1}}', "line 1, column 9 (got '}'); remove what follows"),
    ('{"a": 1_000}', "(got '_000}'); write numbers such as 1000"),
    ('{"a": +5}', "(got '+5}'); write numbers such as 1000"),
    ('{"a": 007}', "write numbers such as 1000"),
    ('{"a": True}', "(got 'True}'); write null, true or false"),
    ('{"a": "x\ny"}', "write \\n for a line break"),
    ('{"a": "\\x"}', "write \\\\ for a backslash"),
    ('{"a" 1}', "put a colon"),
    ('{"a": 1 "b": 2}', "put a comma before it"),
    ('{"a": [1, 2', "the file ends early; is it truncated?"),
    ("timestamp,BTC\n", "(got 'timestamp,BTC'); is it the right file? JSON begins with { or ["),
    ("[" * 100_000, "nested too deeply; is it the right file?"),
]
TOML = [
    ("x = 1\nx = 2", "at the end, line 2 (got 'x = 2'); the name is given twice: keep one of them"),
    ("[a]\n[a]\ny = 1", "line 2", "the table is given twice"),
    ("x = derbit\ny = 1", "line 1, column 5 (got 'x = derbit'); write text in quotes"),
    ("x = 2026-02-30\n", "(got 'x = 2026-02-30'); write 2026-02-05T21:29:37Z"),
    ('x = "derbit\ny = 1', "line 1", "(got 'x = \"derbit')"),
    ("x\n", "write name = value"),
    ("[x\n", "close the bracket"),
    ("// mine\nx = 1", "(got '// mine'); begin the line with a name, and a comment with #"),
    (f"a = [1, {{ b = 0x{LONG} }}]", "x.toml: a.1.b: is a whole number of more than 300 digits"),
    ("x = " + "9" * 5_000, "holds a whole number of more than 300 digits; nothing needs so many"),
    ("x = " + "[" * 10_000, "nested too deeply; is it the right file?"),
]


FAULTS = [
    *((from_json, "x.json", text, words) for text, *words in JSON),
    *((from_toml, "x.toml", text, words) for text, *words in TOML),
]


@pytest.mark.parametrize(("read", "name", "text", "words"), FAULTS, ids=lambda value: str(value)[:25])
def test_faults_say_where_and_what_to_do(read, name, text, words):
    with pytest.raises(InputError) as raised:
        read(text, name)
    assert all(word in str(raised.value) for word in words), str(raised.value)
    assert str(raised.value).startswith(f"{name}: ")
    assert len(str(raised.value)) < 300


def test_what_is_right_is_read_as_it_is(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, -0.5e-3, null, true, "\\u20ac"], "b": {"a": 12345678901234567890}}')
    assert parse_json(tmp_path / "a.json", "book") == {"a": [1, -0.0005, None, True, "€"], "b": {"a": 12345678901234567890}}
    name = "f" * 400  # long, but no number
    (tmp_path / "a.toml").write_text(f'x = 1_000\n{name} = "{name}"\n')
    assert parse_toml(tmp_path / "a.toml", "policy") == {"x": 1000, name: name}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{}".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("{}".encode("utf-16-le"), "is not text (byte 1 is NUL); give a book file, saved as UTF-8"),
        ('{"name": "Zürich"}'.encode("latin-1"), "is not text (byte 11 is not UTF-8); give a book file, saved as UTF-8"),
    ],
)
def test_other_encodings(data, words, tmp_path):
    (tmp_path / "book").write_bytes(data)
    for read in (parse_json, parse_toml):
        with pytest.raises(InputError) as raised:
            read(tmp_path / "book", "book")
        assert words in str(raised.value)
