"""The tables of the database, with their columns, and the explanation that stands below each in ``tables.py``."""

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from paymentagg.adapters.sql import tables


def text() -> str:
    """Return a section for each table."""
    explained = dict(_explanations())
    return "\n\n".join(_section(table, explained.get(table.name, "")) for table in tables.metadata.tables.values())


def _section(table: sa.Table, explanation: str) -> str:
    unique = {index.columns[0].name for index in table.indexes if index.unique and len(index.columns) == 1}
    rows = [f"| `{column.name}` | {_type(column)} | {_notes(column, unique)} |" for column in table.columns]
    parts = [f"## {table.name}", explanation, "\n".join(["| column | type | |", "| --- | --- | --- |", *rows])]
    return "\n\n".join(part for part in parts if part)


def _type(column: sa.Column[object]) -> str:
    return column.type.compile(postgresql.dialect()).lower().removesuffix(' collate "c"')  # type: ignore[no-untyped-call]


def _notes(column: sa.Column[object], unique: set[str]) -> str:
    notes = ["primary key"] if column.primary_key else []
    notes += ["unique"] if column.name in unique else []
    notes += [f"references `{key.target_fullname}`" for key in column.foreign_keys]
    notes += [] if column.nullable or column.primary_key else ["not null"]
    return ", ".join(notes)


def _explanations() -> Iterator[tuple[str, str]]:
    """Yield the name of each table and the string that stands below it in its module."""
    body = ast.parse(inspect.getsource(tables)).body
    for one, below in pairwise(body):
        if isinstance(one, ast.Assign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            name, text = one.targets[0], inspect.cleandoc(str(below.value.value))
            if isinstance(name, ast.Name):
                yield name.id, re.sub(r"``(.*?)``", r"`\1`", text)
