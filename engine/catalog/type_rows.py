"""How rows of pg_type are made: a base type, the array type of a type, a relation's row type.

Source: PostgreSQL 15, `src/include/catalog/pg_type.dat`, `catalog/pg_type.c`.
"""

from __future__ import annotations

from typing import Final

from engine.catalog.rows import BOOTSTRAP_SUPERUSER, PG_CATALOG_NAMESPACE, PgType
from engine.types import NAME_LENGTH

ALIGNMENTS: Final = {-2: "c", -1: "i", 1: "c", 2: "s", 4: "i", 8: "d"}
"""The alignment of most types of a length; the others name theirs."""

ARRAY_SUBSCRIPT: Final = 6179
ARRAY_FUNCTIONS: Final = (750, 751, 2400, 2401)
ARRAY_ANALYZE: Final = 3816
RECORD_FUNCTIONS: Final = (2290, 2291, 2402, 2403)


def base_type(
    oid: int,
    name: str,
    length: int,
    category: str,
    functions: tuple[int, int, int, int],
    *,
    align: str | None = None,
    by_value: bool | None = None,
    storage: str | None = None,
    kind: str = "b",
    preferred: bool = False,
    delimiter: str = ",",
    subscript: int = 0,
    element: int = 0,
    array: int = 0,
    analyze: int = 0,
    collation: int = 0,
    typmod: tuple[int, int] = (0, 0),
) -> PgType:
    """A row of pg_type; `functions` are input, output, receive and send."""
    return PgType(
        oid=oid,
        typname=name,
        typnamespace=PG_CATALOG_NAMESPACE,
        typowner=BOOTSTRAP_SUPERUSER,
        typlen=length,
        typbyval=length in (1, 2, 4, 8) if by_value is None else by_value,
        typtype=kind,
        typcategory=category,
        typispreferred=preferred,
        typisdefined=True,
        typdelim=delimiter,
        typrelid=0,
        typsubscript=subscript,
        typelem=element,
        typarray=array,
        typinput=functions[0],
        typoutput=functions[1],
        typreceive=functions[2],
        typsend=functions[3],
        typmodin=typmod[0],
        typmodout=typmod[1],
        typanalyze=analyze,
        typalign=ALIGNMENTS[length] if align is None else align,
        typstorage=("x" if length == -1 else "p") if storage is None else storage,
        typcollation=collation,
    )


def array_type(oid: int, name: str, element: PgType) -> PgType:
    """The row of the type `element[]`."""
    return base_type(
        oid,
        name,
        -1,
        "A",
        ARRAY_FUNCTIONS,
        align="d" if element.typalign == "d" else "i",
        delimiter=element.typdelim,
        subscript=ARRAY_SUBSCRIPT,
        element=element.oid,
        analyze=ARRAY_ANALYZE,
        collation=element.typcollation,
        typmod=(element.typmodin, element.typmodout),
    )._replace(typnamespace=element.typnamespace)


def row_type(oid: int, name: str, namespace: int, relation: int, array: int) -> PgType:
    """The row of the composite type that every relation has."""
    composite = base_type(oid, name, -1, "C", RECORD_FUNCTIONS, align="d", kind="c", array=array)
    return composite._replace(typnamespace=namespace, typrelid=relation)


def array_type_name(name: str) -> str:
    """`_name`, cut to the length of a name (`makeArrayTypeName`)."""
    encoded = f"_{name}".encode()
    return encoded[: NAME_LENGTH - 1].decode(errors="ignore")


def with_array_types(types: tuple[PgType, ...]) -> tuple[PgType, ...]:
    """The types, and after them the array types that they name and that are not among them."""
    present = {row.oid for row in types}
    arrays = [
        array_type(row.typarray, array_type_name(row.typname), row)
        for row in types
        if row.typarray and row.typarray not in present
    ]
    return (*types, *arrays)
