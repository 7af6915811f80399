"""From a script to an explorer: the recorded run, verified, and processes that recover."""

from __future__ import annotations

from chaos.disk.profiles import PROFILES, Profile
from chaos.explore.checking import Audit, verify_recording
from chaos.explore.exploring import Explorer, OnProgress
from chaos.explore.recorded import Recorded
from chaos.explore.recording import PROFILE, Script, record
from chaos.explore.recovering import open_engine
from chaos.explore.workers import Replayed
from chaos.oracle import HarnessBroken, Suite
from chaos.scheduler.world import Hung, WorldBroken
from chaos.targets.launcher import LauncherGone
from chaos.targets.making import Maker


def record_and_verify(script: Script, suite: Suite, on_progress: OnProgress) -> Recorded:
    """One recorded run that holds. TargetUnusable, HarnessBroken."""
    on_progress("recording", 0, 0, 0)
    maker = Maker()
    try:
        recorded = record(maker, script)
    except (Hung, WorldBroken, LauncherGone) as error:
        raise HarnessBroken(f"the run could not be recorded: {error}") from error
    finally:
        maker.close()
    verify_recording(recorded, suite)
    return recorded


def explorer_of(
    recorded: Recorded, profile: Profile, suite: Suite, jobs: int, on_progress: OnProgress
) -> Explorer:
    """An explorer with so many processes. Close it."""
    base = Replayed(recorded.base, recorded.operations, PROFILES[PROFILE]).at(recorded.first)
    statements = [statement.text for statement in Audit(recorded.workload, recorded.mix).statements]
    open_recoverer = open_engine(base.cached(), statements)
    return Explorer(recorded, profile, suite, open_recoverer, jobs, on_progress)
