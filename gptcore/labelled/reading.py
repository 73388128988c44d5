"""Reads tables of texts as people keep them: CSV, JSON, Parquet, Excel, packed, or in memory.

pandas reads; here is what it would not tell: where a row stands that cannot be used, what encoding
was guessed, which columns nothing reads. A row that cannot be read costs no other row.

Source: RFC 8259 (JSON); the formats that pandas knows.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from gptcore.encodings import decoded
from gptcore.extras import needing
from gptcore.labelled.columns import Columns
from gptcore.labelled.delimited import Cells, read_delimited
from gptcore.labelled.report import Report, show

Placed = list[tuple[int, Cells]]
"""Rows, each with the line in which it begins, or its number."""
JSON_NAMES = (".jsonl", ".ndjson", ".json")
PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
"""First bytes -> what packed them."""


def read_rows(data: Any, report: Report, columns: Columns) -> Placed:
    """The rows of a table, with our names of its columns.

    Args:
        data: the path of a file, a DataFrame, or dicts.
        report: gets what cannot be read.
        columns: finds ours.

    Raises:
        ValueError: the file is empty, damaged or no table, or has no text and label.
        TypeError: `data` is no table.
        ImportError: a package that reads this kind of file is not installed.
    """
    with needing("finetune"):
        import pandas  # noqa: F401
    if not isinstance(data, str | Path):
        return _in_memory(data, report, columns)
    path = Path(data)
    content, name = unpacked(path.read_bytes(), path.name)
    if content.startswith(b"PAR1"):
        return _parquet(content, report, columns)
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return _excel(content, report, columns)
    text, note = decoded(content, path.name)
    if note:
        report.note(note)
    if not text.strip():
        raise ValueError(f"{path.name} is empty: there is nothing to learn from it")
    if name.lower().endswith(JSON_NAMES) or re.match(r"\s*(\{|\[\s*\{)", text):
        return _json(text, report, columns)
    return read_delimited(text, report, columns)


# ------------------------------------------------------------------ files that are packed


def unpacked(data: bytes, name: str) -> tuple[bytes, str]:
    """What a packed file holds, and the name that it has inside.

    Raises:
        ValueError: it is damaged, or holds several files.
    """
    kind = next((kind for magic, kind in PACKED.items() if data.startswith(magic)), "")
    try:
        if kind:
            data = _unpack(data, kind, name)
            name = str(PurePath(name).with_suffix(""))
        elif zipfile.is_zipfile(io.BytesIO(data)) and data.startswith(b"PK"):
            data, name = _only_member(data, name)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise ValueError(f"{name} is not a whole {kind or 'zip'} file: {error}") from error
    if data[257:262] == b"ustar":
        raise ValueError(f"{name} is a tar archive: unpack it, and name the file that you mean")
    return data, name


def _unpack(data: bytes, kind: str, name: str) -> bytes:
    if kind != "zstd":
        return {"gzip": gzip, "bzip2": bz2, "xz": lzma}[kind].decompress(data)
    try:
        import zstandard
    except ImportError as error:
        raise ImportError(
            f"{name} is packed by zstd: unpack it first (zstd -d), or pip install zstandard"
        ) from error
    return zstandard.ZstdDecompressor().stream_reader(data).read()


def _only_member(data: bytes, name: str) -> tuple[bytes, str]:
    """The one file in a zip archive; an Excel file, which is one too, stays as it is."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        inside = archive.namelist()
        if {"[Content_Types].xml", "mimetype"}.intersection(inside):
            return data, name
        files = [one for one in inside if not one.endswith("/") and not one.startswith("__MACOSX")]
        if len(files) != 1:
            raise ValueError(
                f"{name} holds {len(files)} files ({', '.join(files[:5])}): unpack it, and name "
                "the one that you mean"
            )
        return archive.read(files[0]), files[0]


# ------------------------------------------------------------------ tables with types


def _parquet(content: bytes, report: Report, columns: Columns) -> Placed:
    with needing("finetune"):
        from pandas import read_parquet

    try:
        frame = read_parquet(io.BytesIO(content))
    except ImportError as error:
        raise ImportError(
            f"{report.name} is Parquet, which pandas reads with pyarrow: pip install pyarrow"
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{report.name} cannot be read as Parquet: {_line(error)}") from error
    return _frame(frame, report, columns)


def _excel(content: bytes, report: Report, columns: Columns) -> Placed:
    """The first sheet; places are rows as Excel counts them."""
    with needing("finetune"):
        import pandas

    try:
        with pandas.ExcelFile(io.BytesIO(content)) as book:
            sheet, *others = book.sheet_names
            frame = pandas.read_excel(
                book, sheet_name=sheet, header=None, dtype=object, na_filter=False
            )
    except ImportError as error:
        engine = "xlrd" if content.startswith(b"\xd0") else "openpyxl"
        engine = "odfpy" if b"opendocument" in content[:200] else engine
        raise ImportError(
            f"{report.name} is a spreadsheet, which pandas reads with {engine}: "
            f"pip install {engine}; or save it as CSV"
        ) from error
    except Exception as error:  # engines have errors of their own
        raise ValueError(
            f"{report.name} cannot be read as a spreadsheet: {_line(error)}"
        ) from error
    if others:
        report.note(f"the sheet {sheet!r} was read, not {', '.join(map(repr, others))}")
    rows = frame.values.tolist()
    start = next((at for at, row in enumerate(rows) if any(_filled(cell) for cell in row)), None)
    if start is None:
        raise ValueError(f"{report.name} is empty: there is nothing to learn from it")
    names = [str(cell) if _filled(cell) else "" for cell in rows[start]]
    report.unit, report.typed = "row", True
    used = columns.find(names, report)
    return [
        (at + 1, {name: _plain(row[place]) for place, name in used.items()})
        for at, row in enumerate(rows[start + 1 :], start + 1)
        if any(_filled(cell) for cell in row)
    ]


def _filled(cell: Any) -> bool:
    return cell is not None and str(cell).strip() != ""


def _frame(frame: Any, report: Report, columns: Columns) -> Placed:
    """The rows of a DataFrame; places count from 1."""
    report.unit, report.typed = "row", True
    used = columns.find([str(name) for name in frame.columns], report)
    cells = {
        name: [_plain(value) for value in frame.iloc[:, at].astype(object).tolist()]
        for at, name in used.items()
    }
    return [(at + 1, {name: cells[name][at] for name in cells}) for at in range(len(frame))]


def _plain(value: Any) -> Any:
    """A value as Python's own kinds of objects; None for all that says: nothing there."""
    import numpy as np

    with needing("finetune"):
        import pandas

    if isinstance(value, np.ndarray):
        return [_plain(one) for one in value.tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, tuple):
        return list(value)
    if value is None or (pandas.api.types.is_scalar(value) and pandas.isna(value)):
        return None
    return value


def _in_memory(data: Any, report: Report, columns: Columns) -> Placed:
    with needing("finetune"):
        import pandas

    if isinstance(data, pandas.DataFrame):
        return _frame(data, report, columns)
    if isinstance(data, Mapping):
        return _frame(_of_columns(data, report), report, columns)
    if isinstance(data, Iterable):
        rows = data.to_dicts() if hasattr(data, "to_dicts") else list(data)
        if all(isinstance(row, Mapping) for row in rows):
            plain = [{key: _plain(value) for key, value in row.items()} for row in rows]
            return _dicts(plain, report, columns)
    raise TypeError(f"data={show(data)} must be a path, a DataFrame, or dicts with text and label")


def _of_columns(data: Mapping[str, Any], report: Report) -> Any:
    with needing("finetune"):
        import pandas

    try:
        return pandas.DataFrame(
            {str(name): pandas.Series(v, dtype=object) for name, v in data.items()}
        )
    except (ValueError, TypeError) as error:
        raise ValueError(f"{report.name} cannot be read as columns: {_line(error)}") from error


# ------------------------------------------------------------------ JSON


class _Twice(str):
    """The key that an object has twice, so that one of its values would be lost."""


def _object(pairs: Sequence[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        return _Twice(next(key for key in keys if keys.count(key) > 1))
    return found


def _json(text: str, report: Report, columns: Columns) -> Placed:
    """One object a line, an array of objects, or one object that holds either rows or columns."""
    try:
        whole = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        if re.match(r"\s*\[\s*\{", text):
            raise ValueError(f"{report.name} is no JSON: {_line(error)}") from error
        return _json_lines(text, report, columns)
    if isinstance(whole, dict):
        inner = [key for key, value in whole.items() if _objects(value)]
        if len(inner) == 1 and "text" not in columns.ours(list(whole)).values():
            report.note(f"its rows are those of {inner[0]!r}")
            return _dicts(whole[inner[0]], report, columns)
        if whole and all(isinstance(value, list) for value in whole.values()):
            return _frame(_of_columns(whole, report), report, columns)
        if whole and all(isinstance(value, dict) for value in whole.values()):
            return _frame(_of_columns(whole, report), report, columns)
        return _json_lines(text, report, columns)
    if isinstance(whole, list) and (not whole or any(isinstance(row, dict) for row in whole)):
        return _dicts(whole, report, columns)
    return _json_lines(text, report, columns)


def _objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, dict) for x in value)


def _json_lines(text: str, report: Report, columns: Columns) -> Placed:
    rows: list[tuple[int, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append((number, json.loads(line, object_pairs_hook=_object)))
        except (ValueError, RecursionError) as error:
            why = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
            report.leave_out(number, show(line.strip()), f"is no JSON: {why}")
    return _renamed(rows, report, columns)


def _dicts(rows: Sequence[Any], report: Report, columns: Columns) -> Placed:
    report.unit = "row"
    return _renamed(list(enumerate(rows, 1)), report, columns)


def _renamed(rows: Sequence[tuple[int, Any]], report: Report, columns: Columns) -> Placed:
    """Rows with our names for theirs; what is no object is left out."""
    report.typed = True
    good: Placed = []
    for place, row in rows:
        if isinstance(row, _Twice):
            report.leave_out(place, f"the key {show(str(row))}", "must not be there twice")
        elif isinstance(row, Mapping):
            good.append((place, {str(key): value for key, value in row.items()}))
        else:
            report.leave_out(place, show(row), "must be a JSON object")
    names = list(dict.fromkeys(key for _, row in good for key in row))
    used = {names[at]: ours for at, ours in columns.find(names, report, "keys").items()}
    renamed: Placed = []
    for place, row in good:
        cells = {used[key]: value for key, value in row.items() if key in used}
        if len(cells) < len(used.keys() & row.keys()):
            report.leave_out(place, show(list(row)), "must not have a key twice")
        else:
            renamed.append((place, cells))
    return renamed


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
