"""Parquet files: the footer tells what a file unfolds to; what is too large, nested or double is refused unread."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from hedgeopt._extras import require_extra
from hedgeopt.errors import InputError
from hedgeopt.files.counted import many
from hedgeopt.files.table_parts import MOST_ROWS, headers_told, meant_headers, no_column_twice, tell_unread, unreadable

__all__ = ["check_parquet", "parquet_table"]

_MOST_COLUMNS = 10_000
_MOST_FOOTER = 64 * 2**20
_MOST_UNFOLDED = 2**30


def check_parquet(
    path: Path, columns: Collection[str] | None = None, most: int = MOST_ROWS, unfolded: int = _MOST_UNFOLDED
) -> list[str]:
    """The names of the columns to read, those meant but for case and spaces included, after the footer was found sane.

    Raises
    ------
    InputError
        For a file that is no Parquet, unfolds to too much, or has a column nested or twice.
    """
    require_extra("pyarrow", "reading Parquet", file=path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 8))
        tail = stream.read(8)
    if tail[4:] != b"PAR1":
        raise InputError("cannot be read as Parquet: its end is missing", file=path, fix="is it truncated? fetch it again")
    if int.from_bytes(tail[:4], "little") > _MOST_FOOTER:
        raise InputError("cannot be read as Parquet: its footer is too large", file=path)
    try:
        with pq.ParquetFile(path) as file:
            footer, schema = file.metadata, file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, "Parquet", error) from None
    if footer.num_rows > most:
        raise InputError(
            (f"holds {many(footer.num_rows, 'row')}, at most {most:,} are read"), file=path, fix="cut it into files"
        )
    if footer.num_columns > _MOST_COLUMNS:
        raise InputError(f"holds {many(footer.num_columns, 'column')}", file=path, fix="is it the right file?")
    meant = meant_headers(schema.names, columns or ())
    kept = [name for name in schema.names if columns is None or name in columns or name in meant]
    no_column_twice(kept, path)
    for name in kept:
        kind = schema.field(name).type
        if pa.types.is_nested(kind):
            raise InputError("holds lists or structures", file=path, field=name, value=kind, fix="store one value per row")
    wanted = {i for i in range(footer.num_columns) if footer.schema.column(i).name in set(kept)}
    size = sum(
        abs(footer.row_group(group).column(i).total_uncompressed_size)
        for group in range(footer.num_row_groups)
        for i in wanted
    )
    if size > unfolded:
        raise InputError(f"unfolds to {size >> 20:,} MiB", file=path, fix="cut it into files")
    return kept


def parquet_table(path: Path, what: str, columns: Collection[str] | None) -> pd.DataFrame:
    """The table in a file; InputError for what cannot be read."""
    kept = check_parquet(path, columns)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            # text stays a dictionary: a million rows may share one long text
            texts = [n for n in kept if _is_text(file.schema_arrow.field(n).type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            frame: pd.DataFrame = file.read(kept, use_pandas_metadata=columns is None).to_pandas()
            tell_unread(frame, file.schema_arrow.names, kept)
    except MemoryError:
        raise InputError("is too large for the memory", file=path) from None
    except Exception as error:  # any decoder and any metadata may be broken, each in its own way
        if isinstance(error, pa.ArrowException | OSError | ValueError | TypeError | KeyError | AttributeError | IndexError):
            raise unreadable(path, "Parquet", error) from None
        raise
    meant = meant_headers(kept, columns or ())
    if meant:
        frame = frame.rename(columns=meant)
        frame.attrs["notes"] = headers_told(meant, path.name)
    return frame


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))
