"""The memory that all participants of a world share: a memfd, so that it outlives each of them.

    header      one word each: the step counter, the clock, the next step at which to think, ...
    slots       one array per field, indexed by a participant's slot
    latches     the latch's flag; the slot of its owner + 1
    mutexes     0 when free, else the holder's slot + 1, and a bit when somebody waits
    counts      how often each role has made each call, and at which count a fault is armed
    faults      the armed faults, and what became of them
    kill log    the last kills: who, where it was parked, and whether a placed fault did it
    names       strings that steps refer to by number: paths
    ring        the last two blocks of steps (chaos/scheduler/trace.py)

Words are 64 bits, signed. Nobody needs an atomic instruction: only the holder of the turn writes.
"""

from __future__ import annotations

import mmap
from typing import Final

from chaos.scheduler.calls import CALLS, ROLES

SLOTS: Final = 56
LATCHES: Final = 512
MUTEXES: Final = 1 << 15
CHANNELS: Final = 1 << 12
"""Numbers of channels; when they are used up the first is given again, since two with one number
only wake each other for nothing."""
PENDING_CONNECTIONS: Final = 256
FAULTS: Final = 64
FAULT_WORDS: Final = 16
KILL_LOG: Final = 256
KILL_WORDS: Final = 3
NAMES_BYTES: Final = 1 << 17
BLOCK: Final = 4096
"""Steps per block: what is digested, and written to the trace, at once."""
ENTRY_BYTES: Final = 32
RING: Final = 2 * BLOCK
WAITED_CHANNELS: Final = 4

TICK_US: Final = 20
"""How much virtual time a step takes: about what it takes the engine between two calls, so that a
second of a plan is as much work as under the schedule *free*."""

# header ------------------------------------------------------------------------------------------
(
    STEP,  # the number of the step taken last
    JUMPED_US,  # virtual time is JUMPED_US + STEP * TICK_US
    NEXT,  # the step at which the holder stops to consider what else is due
    HOLDER,  # the slot whose turn it is
    ALARM,  # why the controller was woken though nothing it waits for has happened (Alarm)
    DYING,  # the pid of a process that has handed over and is about to be gone
    SLOTS_USED,  # slots from here on were never used
    BIRTHS,  # participants so far
    STRATEGY,  # which one (chaos/scheduler/strategies.py), and its parameters
    MEAN_RUN,
    PREEMPT_AT,
    CHANGE_AT,
    EARLIEST_US,  # no deadline is before this
    BUDGET,  # the step at which a run is taken to run in circles
    WALL_US,  # wall clock at virtual time 0
    RANDOM_BYTES_DRAWN,
    MUTEXES_MADE,
    CHANNELS_MADE,
    CONNECTIONS_HEAD,
    CONNECTIONS_TAIL,
    LISTENER_CHANNEL,
    NAMES_USED,
    NAMES_COUNT,
    LSN_AT,  # the smallest LSN at which a fault is armed
    TIME_AT_US,  # the earliest time at which a fault is armed
    FAULTS_MADE,
    POSTMASTER_SLOT,
    SWITCHES,  # hand-overs so far
    LOWEST_PRIORITY,
    PREEMPTIONS_LEFT,  # counts down from NEVER when there may be any number
    SEED,
    BLOCKS_CLOSED,
    KILLS_LOGGED,
    DISK_LEFT,  # how many bytes the files of the data directory may grow; NEVER: any number
) = range(34)
HEADER_WORDS: Final = 64
NEVER: Final = (1 << 62) - 1

# what a slot's state is --------------------------------------------------------------------------
FREE: Final = 0
RUNNABLE: Final = 1
WAITING: Final = 2
DEAD: Final = 3
"""It has ended, and its parent has not taken note yet."""
STOPPED: Final = 0x10
"""Beside RUNNABLE or WAITING: not to be scheduled."""

# what a waiting participant waits for -------------------------------------------------------------
FOR_LATCH: Final = 1
FOR_TIME: Final = 2
FOR_MUTEX: Final = 4
FOR_CHANNEL: Final = 8
FOR_POSTMASTER: Final = 16
FOR_CLIENTS: Final = 32
FOR_PIPE: Final = 64
"""Beside FOR_CHANNEL: one of them is a pipe, whose end comes with the death of its writers."""
ANY_CHANNEL: Final = -1
"""In place of a channel's number: there are more than can be told."""

(
    VPID,
    REAL_PID,
    PARENT,  # the slot, -1 when the parent is gone
    ROLE,
    LATCH,  # the number of the own latch, -1 without
    PENDING,  # a bit per signal
    SIGNALLED,  # whether a signal came since the last wait
    WAITS,
    DEADLINE_US,
    MUTEX,
    STATUS,  # how it ended: the exit status, or minus the signal
    PRIORITY,
    BIRTH,
    SINCE,  # the step at which it became runnable, or had the turn last
    STOPPED_UNTIL_US,
    ORPHAN,  # its postmaster is gone
    QUITS,  # QUIT acts by itself
    PARKED_AT,  # the call of its last step, while it is not the holder
    CHANNEL_0,
) = range(19)
FIELDS: Final = CHANNEL_0 + WAITED_CHANNELS

WAITER: Final = 1 << 32
"""In a mutex's word: somebody waits for it."""

_SLOT_WORDS: Final = HEADER_WORDS
_STATES: Final = _SLOT_WORDS + FIELDS * SLOTS
_LATCH_WORDS: Final = _STATES + SLOTS // 8
_OWNERS: Final = _LATCH_WORDS + LATCHES
_MUTEX_WORDS: Final = _OWNERS + LATCHES
_CONNECTIONS: Final = _MUTEX_WORDS + MUTEXES
_COUNT_WORDS: Final = _CONNECTIONS + PENDING_CONNECTIONS
_CELLS: Final = len(ROLES) * CALLS
_FAULT_WORDS: Final = _COUNT_WORDS + 3 * _CELLS // 2
_KILL_LOG: Final = _FAULT_WORDS + FAULTS * FAULT_WORDS
_NAMES: Final = _KILL_LOG + KILL_LOG * KILL_WORDS
_DIGEST: Final = _NAMES + NAMES_BYTES // 8
_RING: Final = _DIGEST + 4
_END: Final = _RING + RING * ENTRY_BYTES // 8

BYTES: Final = -(-_END * 8 // mmap.PAGESIZE) * mmap.PAGESIZE


class Layout:
    """The views into one world's memory."""

    def __init__(self, memory: memoryview) -> None:
        self.memory = memory
        self.words = words = memory.cast("q")
        self.random = memory[HEADER_WORDS * 8 - 8 : HEADER_WORDS * 8].cast("Q")
        self.fields = [
            words[_SLOT_WORDS + field * SLOTS : _SLOT_WORDS + (field + 1) * SLOTS]
            for field in range(FIELDS)
        ]
        self.states = memory[_STATES * 8 : _STATES * 8 + SLOTS]
        self.latches = words[_LATCH_WORDS:_OWNERS]
        self.owners = words[_OWNERS:_MUTEX_WORDS]
        self.mutexes = words[_MUTEX_WORDS:_CONNECTIONS]
        self.connections = words[_CONNECTIONS:_COUNT_WORDS]
        cells = memory[_COUNT_WORDS * 8 : _FAULT_WORDS * 8].cast("I")
        self.counts = cells[:_CELLS]
        self.triggers = cells[_CELLS : 2 * _CELLS]
        self.kills = cells[2 * _CELLS : 3 * _CELLS]
        self.faults = words[_FAULT_WORDS:_KILL_LOG]
        self.kill_log = words[_KILL_LOG:_NAMES]
        self.names = memory[_NAMES * 8 : _DIGEST * 8]
        self.digest = memory[_DIGEST * 8 : _RING * 8]
        self.ring = memory[_RING * 8 : _END * 8]

    def now_us(self) -> int:
        """Virtual time."""
        words = self.words
        return words[JUMPED_US] + words[STEP] * TICK_US
