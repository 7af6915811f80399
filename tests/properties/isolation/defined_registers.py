"""Histories of registers and what the definitions call them. How to read them: definitions.py."""

from __future__ import annotations

from tests.properties.isolation.definitions import IN_TURN, Defined

REGISTERS = [
    Defined(
        "a serial history",
        """
        0 [[:w :x 1] [:r :x 1] [:w :x 2]]
        1 [[:r :x 2] [:w :x 3]]
        0 [[:r :x 3] [:r :y nil]]
        """,
        "",
        "",
        "strict-serializable",
        IN_TURN,
    ),
    Defined(
        "an answer that was lost, of a transaction that is in",
        """
        0 info [[:w :x 1] [:w :y 1]]
        1 [[:r :x 1] [:w :x 2]]
        2 [[:r :x 2] [:r :y 1]]
        """,
        "",
        "",
        "strict-serializable",
    ),
    Defined(
        "a value that nobody wrote",
        """
        0 [[:w :x 1]]
        1 [[:r :x 9]]
        """,
        "garbage-read",
        "read-uncommitted",
        "",
    ),
    Defined(
        "G1a: what failed was read",
        """
        0 fail [[:w :x 1]]
        1 [[:r :x 1]]
        """,
        "G1a",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "G1b: a version on the way was read",
        """
        0 [[:w :x 1] [:w :x 2]]
        1 [[:r :x 1]]
        """,
        "G1b",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "G1c: each reads what the other wrote",
        """
        0 [[:w :x 1] [:r :y 1]]
        1 [[:w :y 1] [:r :x 1]]
        """,
        "G1c",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "versions that follow each other in a circle",
        """
        0 [[:r :x 2] [:w :x 1]]
        1 [[:r :x 1] [:w :x 2]]
        """,
        "cyclic-versions G1c",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "G1c-process: a session read what it caused only later",
        """
        ~1 [[:r :x 1] [:w :y 1]]
        2 [[:r :y 1]]
        2 [[:w :x 1]]
        """,
        "G1c-process",
        "strong-session-snapshot-isolation",
        "serializable",
        IN_TURN,
    ),
    Defined(
        "G1c-realtime: what is written later was read before",
        """
        0 [[:r :x 1]]
        1 [[:w :x 1]]
        """,
        "G1c-realtime",
        "strong-snapshot-isolation",
        "strong-session-serializable",
        IN_TURN,
    ),
    Defined(
        "internal: its own write is not there",
        """
        0 [[:w :x 1]]
        1 [[:w :x 2] [:r :x 1]]
        2 [[:r :x 1]]
        """,
        "internal",
        "consistent-view repeatable-read",
        "cursor-stability",
    ),
    Defined(
        "internal: it read what it was to write only later",
        """
        0 [[:r :x 1] [:w :x 1]]
        """,
        "internal",
        "consistent-view repeatable-read",
        "cursor-stability",
    ),
    Defined(
        "lost update: two replace what both have read",
        """
        0 [[:w :x 1]]
        1 [[:r :x 1] [:w :x 2]]
        2 [[:r :x 1] [:w :x 3]]
        """,
        "lost-update G2-item",
        "cursor-stability",
        "read-committed",
    ),
    Defined(
        "G-single: one write of another is seen, and one is not",
        """
        0 [[:w :x 1] [:w :y 1]]
        1 [[:r :x 1] [:r :y nil]]
        """,
        "G-single",
        "consistent-view repeatable-read",
        "cursor-stability",
    ),
    Defined(
        "G-single: an old and a new version were read together",
        """
        0 [[:w :x 1]]
        1 [[:r :x 1] [:w :x 2] [:w :y 1]]
        2 [[:r :x 1] [:r :y 1]]
        """,
        "G-single",
        "consistent-view repeatable-read",
        "cursor-stability",
    ),
    Defined(
        "G-single-process: a session does not see its own write",
        """
        0 [[:w :x 1]]
        0 [[:r :x nil]]
        """,
        "G-single-process",
        "strong-session-snapshot-isolation",
        "serializable",
        IN_TURN,
    ),
    Defined(
        "G-single-realtime: a write that was over is not seen",
        """
        0 [[:w :x 1]]
        1 [[:r :x nil]]
        """,
        "G-single-realtime",
        "strong-snapshot-isolation",
        "strong-session-serializable",
        IN_TURN,
    ),
    Defined(
        "G-nonadjacent: two readers see two writes in different orders (a long fork)",
        """
        0 [[:w :x 1]]
        1 [[:r :x 1] [:r :y nil]]
        2 [[:w :y 1]]
        3 [[:r :y 1] [:r :x nil]]
        """,
        "G-nonadjacent",
        "repeatable-read snapshot-isolation",
        "parallel-snapshot-isolation",
    ),
    Defined(
        "G2-item: each writes what the other has read (write skew)",
        """
        0 [[:r :x nil] [:w :y 1]]
        1 [[:r :y nil] [:w :x 1]]
        """,
        "G2-item",
        "repeatable-read",
        "strong-snapshot-isolation",
    ),
    Defined(
        "G2-item-process: write skew around a session",
        """
        0 [[:w :y 1]]
        0 [[:r :x nil]]
        ~1 [[:w :x 1] [:r :y nil]]
        """,
        "G2-item-process",
        "strong-session-serializable",
        "serializable strong-snapshot-isolation",
        IN_TURN,
    ),
    Defined(
        "G2-item-realtime: the same with two processes",
        """
        0 [[:w :y 1]]
        2 [[:r :x nil]]
        ~1 [[:w :x 1] [:r :y nil]]
        """,
        "G2-item-realtime",
        "strict-serializable",
        "strong-session-serializable strong-snapshot-isolation",
        IN_TURN,
    ),
]
