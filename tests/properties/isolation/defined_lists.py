"""Histories of lists and what the definitions call them. How to read them: definitions.py."""

from __future__ import annotations

from tests.properties.isolation.definitions import IN_TURN, Defined

LISTS = [
    # nothing wrong
    Defined(
        "a serial history",
        """
        0 [[:append :x 1] [:r :x [1]] [:append :y 1]]
        1 [[:r :x [1]] [:append :x 2] [:r :x [1 2]]]
        0 [[:r :x [1 2]] [:r :y [1]] [:r :z []]]
        """,
        "",
        "",
        "strict-serializable",
        IN_TURN,
    ),
    Defined(
        "serializable though interleaved (Adya, Liskov and O'Neil's figure 3)",
        """
        0 [[:append :z 1] [:append :x 1] [:append :y 1]]
        1 [[:r :x [1]] [:append :y 2]]
        2 [[:r :y [1 2]] [:append :z 3]]
        3 [[:r :z [1 3]]]
        """,
        "",
        "",
        "strict-serializable",
    ),
    Defined(
        "an answer that was lost, of a transaction that is in",
        """
        0 info [[:append :x 1] [:append :y 1]]
        1 [[:r :x [1]] [:append :x 2]]
        2 [[:r :x [1 2]] [:r :y [1]]]
        """,
        "",
        "",
        "strict-serializable",
    ),
    Defined(
        "an answer that was lost, of a transaction that came into effect long after",
        """
        0 info [[:append :x 1]]
        1 [[:r :x []]]
        2 [[:r :x [1]]]
        """,
        "",
        "",
        "strict-serializable",
        IN_TURN,
    ),
    Defined(
        "an answer that was lost, of a transaction that is not in, and another that failed",
        """
        0 info [[:append :x 1] [:append :y 1]]
        1 fail [[:append :x 2]]
        2 [[:append :x 3] [:r :y []]]
        3 [[:r :x [3]] [:r :y nil]]
        """,
        "",
        "",
        "strict-serializable",
    ),
    Defined(
        "a transaction may read what it is about to add to",
        """
        0 [[:append :x 1] [:r :x [1]] [:append :x 2] [:r :x [1 2]]]
        1 [[:r :x [1 2]]]
        """,
        "",
        "",
        "strict-serializable",
    ),
    # writes
    Defined(
        "G0: two transactions append to two lists in different orders",
        """
        0 [[:append :x 1] [:append :y 1]]
        1 [[:append :x 2] [:append :y 2]]
        2 [[:r :x [1 2]] [:r :y [2 1]]]
        """,
        "G0",
        "read-uncommitted",
        "",
    ),
    Defined(
        "G0 between three transactions",
        """
        0 [[:append :x 1] [:append :z 1]]
        1 [[:append :x 2] [:append :y 1]]
        2 [[:append :y 2] [:append :z 2]]
        3 [[:r :x [1 2]] [:r :y [1 2]] [:r :z [2 1]]]
        """,
        "G0",
        "read-uncommitted",
        "",
    ),
    Defined(
        "G0-process: a session's appends come in the wrong order",
        """
        0 [[:append :x 2]]
        0 [[:append :x 1]]
        1 [[:r :x [1 2]]]
        """,
        "G0-process",
        "strong-session-snapshot-isolation",
        "serializable",
        IN_TURN,
    ),
    Defined(
        "G0-realtime: an append comes before one that was over",
        """
        0 [[:append :x 2]]
        1 [[:append :x 1]]
        2 [[:r :x [1 2]]]
        """,
        "G0-realtime",
        "strong-snapshot-isolation",
        "strong-session-serializable",
        IN_TURN,
    ),
    Defined(
        "dirty update: a commit on top of what failed",
        """
        0 fail [[:append :x 1]]
        1 [[:append :x 2]]
        2 [[:r :x [1 2]]]
        """,
        "dirty-update G1a",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "an append that is there twice",
        """
        0 [[:append :x 1]]
        1 [[:r :x [1 1]]]
        """,
        "duplicate-elements",
        "read-uncommitted",
        "",
    ),
    Defined(
        "an element that nobody appended",
        """
        0 [[:append :x 1]]
        1 [[:r :x [1 9]]]
        """,
        "phantom-elements",
        "read-uncommitted",
        "",
    ),
    Defined(
        "two appends of one transaction in the wrong order",
        """
        0 [[:append :x 1] [:append :x 2]]
        1 [[:append :x 3]]
        2 [[:r :x [2 1 3]]]
        """,
        "incompatible-order",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "the later of two appends of one transaction without the earlier",
        """
        0 [[:append :x 1] [:append :x 2]]
        1 [[:r :x [2]]]
        """,
        "incompatible-order G-single",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "one of three appends of one transaction is missing between the others",
        """
        0 [[:append :x 1] [:append :x 2] [:append :x 3]]
        1 [[:r :x [1 3]]]
        """,
        "incompatible-order G-single",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "two orders of one list",
        """
        0 [[:append :x 1]]
        1 [[:append :x 2]]
        2 [[:r :x [1 2]]]
        3 [[:r :x [2]]]
        """,
        "incompatible-order",
        "read-committed",
        "read-uncommitted",
    ),
    # reads of committed data
    Defined(
        "G1a: what failed was read",
        """
        0 fail [[:append :x 1]]
        1 [[:r :x [1]]]
        """,
        "G1a",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "G1b: a version on the way was read",
        """
        0 [[:append :x 1] [:append :x 2]]
        1 [[:r :x [1]]]
        2 [[:r :x [1 2]]]
        """,
        "G1b G-single",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "G1c: each reads what the other wrote",
        """
        0 [[:append :x 1] [:r :y [1]]]
        1 [[:append :y 1] [:r :x [1]]]
        """,
        "G1c",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "G1c: one overwrites what it was read by",
        """
        0 [[:append :x 1] [:r :y [1]]]
        1 [[:append :x 2] [:append :y 1]]
        2 [[:r :x [1 2]] [:r :y [1]]]
        """,
        "G1c",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "G1c through a transaction that was never answered",
        """
        0 info [[:append :x 1] [:append :y 2]]
        1 [[:append :y 1] [:r :x [1]]]
        2 [[:r :y [1 2]]]
        """,
        "G1c",
        "read-committed",
        "read-uncommitted",
    ),
    Defined(
        "G1c-process: a session read what it caused only later",
        """
        ~1 [[:r :x [1]] [:append :y 1]]
        2 [[:r :y [1]]]
        2 [[:append :x 1]]
        """,
        "G1c-process",
        "strong-session-snapshot-isolation",
        "serializable",
        IN_TURN,
    ),
    Defined(
        "G1c-realtime: what is written later was read before",
        """
        0 [[:r :x [1]]]
        1 [[:append :x 1]]
        """,
        "G1c-realtime",
        "strong-snapshot-isolation",
        "strong-session-serializable",
        IN_TURN,
    ),
    # within a transaction
    Defined(
        "internal: its own append is not there",
        """
        0 [[:append :x 1] [:r :x []]]
        1 [[:r :x [1]]]
        """,
        "internal",
        "consistent-view repeatable-read",
        "cursor-stability",
    ),
    Defined(
        "internal: the same read twice has another answer",
        """
        0 [[:append :x 1]]
        1 [[:r :x []] [:r :x [1]]]
        """,
        "internal",
        "consistent-view repeatable-read",
        "cursor-stability",
    ),
    Defined(
        "internal: it read what it was to append only later",
        """
        0 [[:r :x [1]] [:append :x 1]]
        """,
        "internal",
        "consistent-view repeatable-read",
        "cursor-stability",
    ),
    # snapshots
    Defined(
        "lost update: two append to what both have read",
        """
        0 [[:append :x 1]]
        1 [[:r :x [1]] [:append :x 2]]
        2 [[:r :x [1]] [:append :x 3]]
        3 [[:r :x [1 2 3]]]
        """,
        "lost-update G-single",
        "cursor-stability",
        "read-committed",
    ),
    Defined(
        "G-single: one append of another is seen, and one is not",
        """
        0 [[:append :x 1] [:append :y 1]]
        1 [[:r :x [1]] [:r :y []]]
        """,
        "G-single",
        "consistent-view repeatable-read",
        "cursor-stability",
    ),
    Defined(
        "G-single: it overwrote what it did not see",
        """
        0 [[:append :x 1] [:append :y 1]]
        1 [[:append :x 2] [:r :y []]]
        2 [[:r :x [1 2]]]
        """,
        "G-single",
        "consistent-view repeatable-read",
        "cursor-stability",
    ),
    Defined(
        "G-single: the example of Elle's paper, shortened",
        """
        0 [[:append 255 5] [:append 256 2]]
        1 [[:append 255 8]]
        2 [[:append 256 4] [:r 255 [5 8]] [:r 256 [2 4]]]
        3 [[:r 255 [5]] [:append 256 3]]
        """,
        "G-single",
        "consistent-view repeatable-read",
        "cursor-stability",
    ),
    Defined(
        "G-single-process: a session does not see its own append",
        """
        0 [[:append :x 1]]
        1 [[:append :x 2]]
        1 [[:r :x [1]]]
        2 [[:r :x [1 2]]]
        """,
        "G-single-process",
        "strong-session-snapshot-isolation",
        "serializable",
        IN_TURN,
    ),
    Defined(
        "G-single-realtime: a read of what was replaced long ago",
        """
        0 [[:append :x 1]]
        1 [[:append :x 2]]
        2 [[:r :x [1]]]
        3 [[:r :x [1 2]]]
        """,
        "G-single-realtime",
        "strong-snapshot-isolation",
        "strong-session-serializable",
        IN_TURN,
    ),
    Defined(
        "G-nonadjacent: two readers see two appends in different orders (a long fork)",
        """
        0 [[:append :x 1]]
        1 [[:r :x [1]] [:r :y []]]
        2 [[:append :y 1]]
        3 [[:r :y [1]] [:r :x []]]
        """,
        "G-nonadjacent",
        "repeatable-read snapshot-isolation",
        "parallel-snapshot-isolation",
    ),
    Defined(
        "G-nonadjacent-process: a long fork that a session closes (Tsunaou)",
        """
        ~0 [[:r :x nil] [:r :z [1]]]
        1 [[:append :x 1]]
        1 [[:r :z nil]]
        ~2 [[:append :z 1]]
        """,
        "G-nonadjacent-process",
        "strong-session-snapshot-isolation",
        "serializable",
        IN_TURN,
    ),
    Defined(
        "G-nonadjacent-realtime: the same with two processes",
        """
        ~0 [[:r :x nil] [:r :z [1]]]
        1 [[:append :x 1]]
        3 [[:r :z nil]]
        ~2 [[:append :z 1]]
        """,
        "G-nonadjacent-realtime",
        "strong-snapshot-isolation",
        "strong-session-serializable",
        IN_TURN,
    ),
    Defined(
        "G2-item: each appends to what the other has read (write skew)",
        """
        0 [[:r :x []] [:append :y 1]]
        1 [[:r :y []] [:append :x 1]]
        """,
        "G2-item",
        "repeatable-read",
        "strong-snapshot-isolation",
    ),
    Defined(
        "G2-item: a read-only transaction shows it (Fekete, O'Neil and O'Neil)",
        """
        0 [[:r :y []] [:append :y 1]]
        1 [[:r :x []] [:r :y []] [:append :x 1]]
        2 [[:r :x []] [:r :y [1]]]
        """,
        "G2-item",
        "repeatable-read",
        "strong-snapshot-isolation",
    ),
    Defined(
        "G2-item, not G-nonadjacent: two of three anti-dependencies are in a row",
        """
        0 [[:r :y []] [:r :u [1]]]
        1 [[:append :y 1] [:r :z []]]
        2 [[:append :z 1]]
        3 [[:r :z [1]] [:r :u []]]
        4 [[:append :u 1]]
        """,
        "G2-item",
        "repeatable-read",
        "strong-snapshot-isolation",
    ),
    Defined(
        "G2-item-process: write skew around a session",
        """
        0 [[:append :y 1]]
        0 [[:r :x []]]
        ~1 [[:append :x 1] [:r :y []]]
        """,
        "G2-item-process",
        "strong-session-serializable",
        "serializable strong-snapshot-isolation",
        IN_TURN,
    ),
    Defined(
        "G2-item-realtime: the same with two processes",
        """
        0 [[:append :y 1]]
        2 [[:r :x []]]
        ~1 [[:append :x 1] [:r :y []]]
        """,
        "G2-item-realtime",
        "strict-serializable",
        "strong-session-serializable strong-snapshot-isolation",
        IN_TURN,
    ),
]
