"""The catalogs' rows as data: one NamedTuple per catalog, with PostgreSQL 15's columns in order.

A field's type says which SQL type the column has, and whether it may be null:

    relname: Name            # name, not null
    relacl: AclItems = None  # aclitem[], may be null

`tables.py` makes the table's columns, its descriptor and its rows in pg_class and pg_attribute out
of these classes, so nothing about a catalog is said twice. A row of a class goes to and comes from
the heap as it is: a sequence of values in column order.

Source: PostgreSQL 15, `src/include/catalog/pg_*.h`.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

Bool = Annotated[bool, 16]
Char = Annotated[str, 18]
"""One byte as a one-character string; "" is the zero byte."""
Name = Annotated[str, 19]
Int2 = Annotated[int, 21]
Int4 = Annotated[int, 23]
RegProc = Annotated[int, 24]
Text = Annotated[str, 25]
Oid = Annotated[int, 26]
XidValue = Annotated[int, 28]
Float4 = Annotated[float, 700]
NullableText = Annotated[str | None, 25]
NodeTree = Annotated[bytes | None, 194]
TextArray = Annotated[bytes | None, 1009]
"""The array as it is stored, without the varlena header; see `text_array.py`."""
AclItems = Annotated[bytes | None, 1034]
TimestampTz = Annotated[int | None, 1184]
AnyArray = Annotated[bytes | None, 2277]

BOOTSTRAP_SUPERUSER: Final = 10
PG_CATALOG_NAMESPACE: Final = 11
PG_TOAST_NAMESPACE: Final = 99
PUBLIC_NAMESPACE: Final = 2200
HEAP_ACCESS_METHOD: Final = 2
DEFAULT_COLLATION: Final = 100

KIND_TABLE: Final = "r"
PERSISTENCE_PERMANENT: Final = "p"
REPLICA_IDENTITY_DEFAULT: Final = "d"
REPLICA_IDENTITY_NOTHING: Final = "n"


class PgClass(NamedTuple):
    """A relation. Its size and statistics fields are what they are before any VACUUM or ANALYZE."""

    oid: Oid
    relname: Name
    relnamespace: Oid
    reltype: Oid
    reloftype: Oid = 0
    relowner: Oid = BOOTSTRAP_SUPERUSER
    relam: Oid = HEAP_ACCESS_METHOD
    relfilenode: Oid = 0
    reltablespace: Oid = 0
    relpages: Int4 = 0
    reltuples: Float4 = -1.0
    relallvisible: Int4 = 0
    reltoastrelid: Oid = 0
    relhasindex: Bool = False
    relisshared: Bool = False
    relpersistence: Char = PERSISTENCE_PERMANENT
    relkind: Char = KIND_TABLE
    relnatts: Int2 = 0
    relchecks: Int2 = 0
    relhasrules: Bool = False
    relhastriggers: Bool = False
    relhassubclass: Bool = False
    relrowsecurity: Bool = False
    relforcerowsecurity: Bool = False
    relispopulated: Bool = True
    relreplident: Char = REPLICA_IDENTITY_DEFAULT
    relispartition: Bool = False
    relrewrite: Oid = 0
    relfrozenxid: XidValue = 0
    relminmxid: XidValue = 1
    relacl: AclItems = None
    reloptions: TextArray = None
    relpartbound: NodeTree = None


class PgAttribute(NamedTuple):
    """A column, or with a negative number a system column, of a relation."""

    attrelid: Oid
    attname: Name
    atttypid: Oid
    attstattarget: Int4
    attlen: Int2
    attnum: Int2
    attndims: Int4
    attcacheoff: Int4
    atttypmod: Int4
    attbyval: Bool
    attalign: Char
    attstorage: Char
    attcompression: Char
    attnotnull: Bool
    atthasdef: Bool = False
    atthasmissing: Bool = False
    attidentity: Char = ""
    attgenerated: Char = ""
    attisdropped: Bool = False
    attislocal: Bool = True
    attinhcount: Int4 = 0
    attcollation: Oid = 0
    attacl: AclItems = None
    attoptions: TextArray = None
    attfdwoptions: TextArray = None
    attmissingval: AnyArray = None


class PgType(NamedTuple):
    """A type: how its values lie in a tuple, and which functions work on them."""

    oid: Oid
    typname: Name
    typnamespace: Oid
    typowner: Oid
    typlen: Int2
    """Bytes; -1 varlena, -2 zero-terminated."""
    typbyval: Bool
    typtype: Char
    """b base, c composite (a table's row), p pseudo, r range, m multirange."""
    typcategory: Char
    typispreferred: Bool
    typisdefined: Bool
    typdelim: Char
    typrelid: Oid
    typsubscript: RegProc
    typelem: Oid
    typarray: Oid
    typinput: RegProc
    typoutput: RegProc
    typreceive: RegProc
    typsend: RegProc
    typmodin: RegProc
    typmodout: RegProc
    typanalyze: RegProc
    typalign: Char
    """c 1, s 2, i 4, d 8 bytes."""
    typstorage: Char
    typnotnull: Bool = False
    typbasetype: Oid = 0
    typtypmod: Int4 = -1
    typndims: Int4 = 0
    typcollation: Oid = 0
    typdefaultbin: NodeTree = None
    typdefault: NullableText = None
    typacl: AclItems = None


class PgNamespace(NamedTuple):
    """A schema."""

    oid: Oid
    nspname: Name
    nspowner: Oid = BOOTSTRAP_SUPERUSER
    nspacl: AclItems = None


class PgDatabase(NamedTuple):
    """A database of the cluster (shared catalog)."""

    oid: Oid
    datname: Name
    datdba: Oid = BOOTSTRAP_SUPERUSER
    encoding: Int4 = 6
    datlocprovider: Char = "c"
    datistemplate: Bool = False
    datallowconn: Bool = True
    datconnlimit: Int4 = -1
    datfrozenxid: XidValue = 0
    datminmxid: XidValue = 1
    dattablespace: Oid = 1663
    datcollate: Text = "C"
    datctype: Text = "C"
    daticulocale: NullableText = None
    datcollversion: NullableText = None
    datacl: AclItems = None


class PgAuthid(NamedTuple):
    """A role (shared catalog)."""

    oid: Oid
    rolname: Name
    rolsuper: Bool
    rolinherit: Bool
    rolcreaterole: Bool
    rolcreatedb: Bool
    rolcanlogin: Bool
    rolreplication: Bool
    rolbypassrls: Bool
    rolconnlimit: Int4 = -1
    rolpassword: NullableText = None
    """A SCRAM-SHA-256 verifier, never the password."""
    rolvaliduntil: TimestampTz = None


class PgTablespace(NamedTuple):
    """A tablespace (shared catalog)."""

    oid: Oid
    spcname: Name
    spcowner: Oid = BOOTSTRAP_SUPERUSER
    spcacl: AclItems = None
    spcoptions: TextArray = None


class PgAm(NamedTuple):
    """An access method."""

    oid: Oid
    amname: Name
    amhandler: RegProc
    amtype: Char
