"""What exploring costs: the recording, the enumeration, states checked per second and core.

    python -m benchmarks.explore [--transactions N] [--states N] [--jobs J] [--profile P]

The anchor: CrashMonkey with ACE took about 2.2 s for one crash state (Mohan et al., OSDI 2018). The
enumeration is for all places of the run; of the states a sample is recovered.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import time

from chaos.disk.profiles import PROFILES
from chaos.explore.preparing import explorer_of, record_and_verify
from chaos.explore.recording import Script
from chaos.oracle import DEFAULT_SUITE, load
from chaos.seeds import stream


def _silent(_what: str, _done: int, _of: int, _violating: int) -> None:
    """Nobody looks."""


def main() -> None:
    """Measure once and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=50)
    parser.add_argument("--states", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="strict")
    parser.add_argument("--hot", action="store_true", help="show where the enumeration's time goes")
    asked = parser.parse_args()
    suite = load(DEFAULT_SUITE)
    began = time.perf_counter()
    recorded = record_and_verify(Script(transactions=asked.transactions), suite, _silent)
    recording_s = time.perf_counter() - began
    with explorer_of(recorded, PROFILES[asked.profile], suite, asked.jobs, _silent) as explorer:
        watched = cProfile.Profile()
        if asked.hot:
            watched.enable()
        began = time.perf_counter()
        found = explorer.enumerate(0)
        enumeration_s = time.perf_counter() - began
        watched.disable()
        chosen = stream(0, "sample").sample(found.states, min(asked.states, found.distinct))
        list(explorer.check(chosen[: 8 * asked.jobs], frozenset(), None))  # the workers come up
        chosen = chosen[8 * asked.jobs :]
        began = time.perf_counter()
        violating = sum(bool(broken) for _, broken in explorer.check(chosen, frozenset(), None))
        checking_s = time.perf_counter() - began
    if asked.hot:
        pstats.Stats(watched).sort_stats("cumulative").print_stats(25)
    told = {
        "operations": len(recorded.operations),
        "recording_s": round(recording_s, 3),
        "legal_states_digits": len(str(found.legal)),
        "enumerated": found.enumerated,
        "distinct": found.distinct,
        "enumeration_s": round(enumeration_s, 3),
        "enumerated_per_s": round(found.enumerated / enumeration_s),
        "checked": len(chosen),
        "violating": violating,
        "checked_per_s_and_core": round(len(chosen) / checking_s / asked.jobs, 1),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
