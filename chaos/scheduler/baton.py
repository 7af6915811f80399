"""The baton, as one participant holds it: takes steps, decides who is next, waits for its turn.

    FREE --(enroll)--> RUNNABLE --(wait)--> WAITING --(what it waits for)--> RUNNABLE
                          |                    |
                          +------(death)-------+--> DEAD --(its parent takes note)--> FREE

Every call through the door is a step. Most steps cost a few writes to shared memory and the holder
goes on. It stops to consider when the step NEXT is reached, which is the nearest of everything
that is due: a preemption, a deadline, a fault at a time, the end of a block of steps.

SCHED-1  At most one participant runs, the holder; only it writes to the shared memory.
SCHED-2  A decision depends on the shared memory alone: no clock, no pid, no order of wake-ups.
SCHED-3  When nobody is runnable the clock jumps to the nearest deadline; without one, the
         controller is woken with the alarm DEADLOCK.
SCHED-5  Who dies has handed over before; the next holder goes on when the dead is really gone, so
         that its descriptors are closed and its parent can reap it.
"""

from __future__ import annotations

import os
import select
import signal as posix_signal
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NoReturn

from chaos.scheduler.calls import CALLS, CONTROLLER, LSN_POINTS, POSTMASTER, ROLE_NUMBERS, Call
from chaos.scheduler.layout import (
    ALARM,
    ANY_CHANNEL,
    BIRTH,
    BIRTHS,
    BLOCK,
    BUDGET,
    CHANNEL_0,
    DEAD,
    DEADLINE_US,
    DYING,
    EARLIEST_US,
    ENTRY_BYTES,
    FOR_CHANNEL,
    FOR_CLIENTS,
    FOR_LATCH,
    FOR_PIPE,
    FOR_POSTMASTER,
    FREE,
    HOLDER,
    JUMPED_US,
    LATCH,
    LSN_AT,
    NEVER,
    NEXT,
    ORPHAN,
    PARENT,
    PARKED_AT,
    PENDING,
    POSTMASTER_SLOT,
    PREEMPT_AT,
    QUITS,
    REAL_PID,
    RING,
    ROLE,
    RUNNABLE,
    SIGNALLED,
    SINCE,
    SLOTS,
    SLOTS_USED,
    STATUS,
    STEP,
    STOPPED,
    STOPPED_UNTIL_US,
    STRATEGY,
    SWITCHES,
    TICK_US,
    TIME_AT_US,
    VPID,
    WAITED_CHANNELS,
    WAITING,
    WAITS,
    Layout,
)
from chaos.scheduler.places import Places, Struck
from chaos.scheduler.strategies import RANDOM_WALK, Strategy
from chaos.scheduler.trace import ENTRY, NOBODY, Trace

FIRST_VPID: Final = 1001
QUIT_BIT: Final = 1 << posix_signal.SIGQUIT
_PACK: Final = ENTRY.pack_into
_ENTRY_MASK: Final = RING - 1
_BLOCK_MASK: Final = BLOCK - 1
_SLOT_OFFSET: Final = 8
_CALL_OFFSET: Final = 9
_NEXT_OFFSET: Final = 10
_KILLED: Final = -int(posix_signal.SIGKILL)


class Alarm(IntEnum):
    """Why the controller has the turn though nothing it waits for has happened."""

    NONE = 0
    DEADLOCK = 1
    """All wait, nobody will ever wake anyone."""
    LIVELOCK = 2
    """The step budget is used up."""


class TooManyProcesses(OSError):
    """No slot is free: to the engine, a fork that the system refuses."""


class Baton:
    """One participant's end. A forked child goes on with its copy, under its own slot (`become`).

    `doorbells` has an eventfd per slot; `lifeline` is readable when the controller is gone.
    """

    def __init__(
        self, layout: Layout, doorbells: list[int], lifeline: int, trace: Trace, slot: int
    ) -> None:
        self.layout = layout
        self.words = layout.words
        self.states = layout.states
        self.fields = layout.fields
        self.trace = trace
        self.strategy = Strategy(layout)
        self.places = Places(layout, self)
        self.on_quit: Callable[[], None] | None = None
        self._ring = layout.ring
        self._counts = layout.counts
        self._triggers = layout.triggers
        self._doorbells = doorbells
        self._lifeline = lifeline
        self._waits = layout.fields[WAITS]
        self._deadlines = layout.fields[DEADLINE_US]
        self._pending = layout.fields[PENDING]
        self.become(slot)

    def become(self, slot: int) -> None:
        """This process is the participant in that slot."""
        self.slot = slot
        self.cells = self.fields[ROLE][slot] * CALLS
        self._doorbell = self._doorbells[slot]
        self._poll = select.poll()
        self._poll.register(self._doorbell, select.POLLIN)
        if self._lifeline >= 0:
            self._poll.register(self._lifeline, select.POLLIN)

    # steps ---------------------------------------------------------------------------------------

    def step(self, call: int, a: int = 0, b: int = 0, check: int = 0) -> Struck | None:
        """One step, before the effect of the call; what a fault at this place does to the call.

        `a` and `b` say what the call is about, `check` is a checksum of the bytes it carries. A
        fault may end this process here, or raise OSError.
        """
        words = self.words
        step = words[STEP] + 1
        words[STEP] = step
        _PACK(
            self._ring,
            (step & _ENTRY_MASK) * ENTRY_BYTES,
            words[JUMPED_US] + step * TICK_US,
            self.slot,
            call,
            NOBODY,
            0,
            check,
            a,
            b,
        )  # the same as _record, without its call
        cell = self.cells + call
        counts = self._counts
        reached = counts[cell] + 1
        counts[cell] = reached
        if step >= words[NEXT] or reached == self._triggers[cell]:
            return self._consider(step, cell, reached)
        return None

    def point(self, number: int, value: int) -> Struck | None:
        """A step at an injection point; `value` may be the LSN at which a fault is armed."""
        struck = self.step(number, value)
        if value >= self.words[LSN_AT] and number in LSN_POINTS:
            self.places.at_lsn(value)
            self._pass_on()
        return struck

    def _record(self, slot: int, call: int, a: int, b: int) -> None:
        """A line in the trace that is no step of the schedule: nothing is decided."""
        words = self.words
        step = words[STEP] + 1
        words[STEP] = step
        at = (step & _ENTRY_MASK) * ENTRY_BYTES
        time_us = words[JUMPED_US] + step * TICK_US
        _PACK(self._ring, at, time_us, slot, call, NOBODY, 0, 0, a, b)
        self.trace.close_blocks()

    def begin(self) -> None:
        """The first step: who this is."""
        vpid, role = self.fields[VPID][self.slot], self.fields[ROLE][self.slot]
        self.step(Call.BEGIN, vpid, role)

    def _consider(self, step: int, cell: int, reached: int) -> Struck | None:
        """Something is due at this step: a fault, a deadline, somebody else's turn."""
        words = self.words
        self.trace.close_blocks()
        struck = None
        if reached == self._triggers[cell]:
            struck = self.places.at_call(cell, reached)
        if step >= words[BUDGET] and self.slot != CONTROLLER:
            self.raise_alarm(Alarm.LIVELOCK)
        self._pass_on()
        if struck is not None and struck.errno:
            raise OSError(struck.errno, os.strerror(struck.errno))
        return struck

    def now_us(self) -> int:
        """Virtual time."""
        words = self.words
        return words[JUMPED_US] + words[STEP] * TICK_US

    def last_call(self) -> int:
        """What the holder's last step was about, which may be some lines of the trace ago."""
        ring, step, holder = self._ring, self.words[STEP], self.words[HOLDER]
        for back in range(SLOTS):
            at = ((step - back) & _ENTRY_MASK) * ENTRY_BYTES
            call = ring[at + _CALL_OFFSET]
            if ring[at + _SLOT_OFFSET] == holder and call != Call.DEATH:
                return call
        return int(self.fields[PARKED_AT][holder])  # it has only waited on

    def last_subject(self) -> int:
        """The first of the two numbers that say what the holder's last step was about."""
        ring, step, holder = self._ring, self.words[STEP], self.words[HOLDER]
        for back in range(SLOTS):
            _, slot, call, _, _, _, about, _ = ENTRY.unpack_from(
                ring, ((step - back) & _ENTRY_MASK) * ENTRY_BYTES
            )
            if slot == holder and call != Call.DEATH:
                return int(about)
        return 0  # it has only waited on

    # waiting -------------------------------------------------------------------------------------

    def block(self, waits: int, deadline_us: int = NEVER) -> None:
        """Wait until somebody makes this participant runnable, or until the deadline."""
        slot, words = self.slot, self.words
        self._waits[slot] = waits
        self._deadlines[slot] = deadline_us
        if deadline_us < words[EARLIEST_US]:
            words[EARLIEST_US] = deadline_us
        self.states[slot] = WAITING | (self.states[slot] & STOPPED)
        self._pass_on()

    def ready(self, slot: int) -> None:
        """What this participant waits for has happened."""
        state = self.states[slot]
        if state & ~STOPPED == WAITING:
            words = self.words
            self.states[slot] = RUNNABLE | (state & STOPPED)
            self.fields[SINCE][slot] = words[STEP]
            if words[STRATEGY] != RANDOM_WALK:
                words[NEXT] = 0

    def ready_if(self, slot: int, waits: int) -> None:
        """The same, if it waits for one of these."""
        if self._waits[slot] & waits:
            self.ready(slot)

    def hint(self, channel: int) -> None:
        """Something may have come through a channel: whoever waits for it shall look."""
        waits, fields, number = self._waits, self.fields, channel + 1
        for slot in range(self.words[SLOTS_USED]):
            if waits[slot] & FOR_CHANNEL:
                for field in range(CHANNEL_0, CHANNEL_0 + WAITED_CHANNELS):
                    if fields[field][slot] in (number, ANY_CHANNEL):
                        self.ready(slot)
                        break

    def hint_clients(self) -> None:
        """Something may have come for the controller's clients."""
        self.ready_if(CONTROLLER, FOR_CLIENTS)

    def raise_alarm(self, alarm: Alarm) -> None:
        """Give the controller the turn, whatever it waits for."""
        self.words[ALARM] = alarm
        self.words[BUDGET] = NEVER
        self.ready(CONTROLLER)
        self.fields[SINCE][CONTROLLER] = -NEVER  # SCHED-4: it is next

    def deliver(self, slot: int, number: int) -> None:
        """A signal, as a flag (HOST-7)."""
        self._pending[slot] |= 1 << number
        self.fields[SIGNALLED][slot] = 1
        if number == posix_signal.SIGQUIT and self.fields[QUITS][slot]:
            self.ready(slot)
        else:
            self.ready_if(slot, FOR_LATCH)

    def stop(self, slot: int, until_us: int = NEVER) -> None:
        """Not to be scheduled until then."""
        self.states[slot] |= STOPPED
        self.fields[STOPPED_UNTIL_US][slot] = until_us
        if until_us < self.words[EARLIEST_US]:
            self.words[EARLIEST_US] = until_us
        self.words[NEXT] = 0

    def go_on(self, slot: int) -> None:
        """To be scheduled again."""
        self.states[slot] &= ~STOPPED & 0xFF
        self.fields[SINCE][slot] = self.words[STEP]

    # whose turn it is ----------------------------------------------------------------------------

    def _pass_on(self) -> None:
        """Decide who is next; returns when it is this participant's turn (again)."""
        chosen = self._decide()
        if chosen == self.slot:
            self.words[HOLDER] = chosen
            self._plan_next()
            self.check_quit()
        else:
            self._hand_over(chosen)
            self.await_turn()

    def _decide(self) -> int:
        """SCHED-2, SCHED-3."""
        words = self.words
        while True:
            now = words[JUMPED_US] + words[STEP] * TICK_US
            if now >= words[TIME_AT_US]:
                self.places.at_time(now)
            if now >= words[EARLIEST_US]:
                self._wake_due(now)
            states = bytes(self.states[: words[SLOTS_USED]])
            runnable = [slot for slot, state in enumerate(states) if state == RUNNABLE]
            if runnable:
                return self.strategy.choose(runnable, self.slot)
            nearest = min(self._wake_due(now), words[TIME_AT_US])
            if nearest == NEVER:
                self.raise_alarm(Alarm.DEADLOCK)
            else:
                words[JUMPED_US] += max(0, nearest - now)

    def _wake_due(self, now: int) -> int:
        """Make runnable whose time has come; the nearest deadline that is left."""
        nearest = NEVER
        for slot in range(self.words[SLOTS_USED]):
            state = self.states[slot]
            if state & STOPPED:
                until = self.fields[STOPPED_UNTIL_US][slot]
                if until <= now:
                    self.go_on(slot)
                else:
                    nearest = min(nearest, until)
            if state & ~STOPPED == WAITING:
                deadline = self._deadlines[slot]
                if deadline <= now:
                    self.ready(slot)
                elif deadline < nearest and not state & STOPPED:
                    nearest = deadline
        self.words[EARLIEST_US] = nearest
        return nearest

    def _plan_next(self) -> None:
        """The nearest step at which something is due."""
        words = self.words
        step = words[STEP]
        due_us = min(words[EARLIEST_US], words[TIME_AT_US]) - words[JUMPED_US]
        words[NEXT] = min(
            words[PREEMPT_AT], (step | _BLOCK_MASK) + 1, -(-due_us // TICK_US), words[BUDGET]
        )

    def _hand_over(self, chosen: int) -> None:
        words = self.words
        words[SWITCHES] += 1
        self.fields[PARKED_AT][self.slot] = self.last_call()
        self.fields[SINCE][self.slot] = words[STEP]
        words[HOLDER] = chosen
        self._ring[(words[STEP] & _ENTRY_MASK) * ENTRY_BYTES + _NEXT_OFFSET] = chosen
        os.eventfd_write(self._doorbells[chosen], 1)

    def await_turn(self) -> None:
        """Sleep until this participant is the holder."""
        for fd, _ in self._poll.poll():
            if fd == self._lifeline:
                os._exit(1)  # the controller is gone, and with it the world
        os.eventfd_read(self._doorbell)
        words = self.words
        if words[DYING]:
            await_death(words[DYING])  # SCHED-5
            words[DYING] = 0
        self._plan_next()
        self.check_quit()

    def check_quit(self) -> None:
        """A QUIT acts by itself (HOST-7), at the next moment at which its receiver has the turn."""
        if self._pending[self.slot] & QUIT_BIT and self.on_quit is not None:
            self.on_quit()

    # births and deaths ---------------------------------------------------------------------------

    def enroll(self, role: str, latch: int, parent: int) -> int:
        """A slot for a new participant, runnable from now on."""
        words, fields = self.words, self.fields
        for slot in range(SLOTS):
            if self.states[slot] == FREE:
                break
        else:
            raise TooManyProcesses(11, f"more than {SLOTS} processes at once")
        words[SLOTS_USED] = max(words[SLOTS_USED], slot + 1)
        for field in fields:
            field[slot] = 0
        number = ROLE_NUMBERS.get(role, ROLE_NUMBERS["other"])
        words[BIRTHS] += 1
        fields[BIRTH][slot] = words[BIRTHS]
        fields[VPID][slot] = FIRST_VPID - 1 + words[BIRTHS]
        fields[PARENT][slot] = parent
        fields[ROLE][slot] = number
        fields[LATCH][slot] = latch
        fields[DEADLINE_US][slot] = NEVER
        fields[SINCE][slot] = words[STEP]
        self.strategy.enroll(slot)
        if number == POSTMASTER:
            words[POSTMASTER_SLOT] = slot
        self.states[slot] = RUNNABLE
        if words[STRATEGY] != RANDOM_WALK:
            words[NEXT] = 0
        return slot

    def withdraw(self, slot: int) -> None:
        """It could not be started after all."""
        self.states[slot] = FREE

    def kill(self, victim: int) -> None:
        """SIGKILL for a parked participant, or for this one (then it does not return)."""
        if victim == self.slot:
            self.leave(_KILLED)
        pid = self.fields[REAL_PID][victim]
        os.kill(pid, posix_signal.SIGKILL)
        await_death(pid)
        self.bury(victim, _KILLED)

    def leave(self, status: int) -> NoReturn:
        """End this process: by exit, or (negative) by a signal. SCHED-5."""
        pid = os.getpid()
        self.bury(self.slot, status)
        self.words[DYING] = pid
        self._hand_over(self._decide())
        if status < 0:
            os.kill(pid, -status)
        os._exit(status & 0xFF)

    def bury(self, slot: int, status: int) -> None:
        """A participant has ended (or is about to: then it is this one)."""
        fields, states = self.fields, self.states
        self._record(slot, Call.DEATH, fields[VPID][slot], status)
        states[slot] = DEAD
        fields[STATUS][slot] = status
        self._waits[slot] = 0
        self._tell_readers()
        latch = fields[LATCH][slot]
        if latch >= 0 and self.layout.owners[latch] == slot + 1:
            self.layout.owners[latch] = 0
        self._orphan_children(slot)
        parent = fields[PARENT][slot]
        if parent < 0:
            states[slot] = FREE
        elif parent != CONTROLLER:
            self.deliver(parent, posix_signal.SIGCHLD)
        self.hint_clients()

    def _orphan_children(self, parent: int) -> None:
        fields, states = self.fields, self.states
        for slot in range(self.words[SLOTS_USED]):
            if states[slot] != FREE and fields[PARENT][slot] == parent and slot != parent:
                fields[PARENT][slot] = -1
                fields[ORPHAN][slot] = 1
                if states[slot] == DEAD:
                    states[slot] = FREE
                self.ready_if(slot, FOR_POSTMASTER)

    def _tell_readers(self) -> None:
        """Descriptors are closed: who reads from a pipe may have come to the end of it."""
        for slot in range(self.words[SLOTS_USED]):
            self.ready_if(slot, FOR_PIPE)

    def find(self, vpid: int) -> int:
        """The slot of a process that lives or is still to be reaped; -1 if there is none."""
        for slot in range(self.words[SLOTS_USED]):
            if self.states[slot] != FREE and self.fields[VPID][slot] == vpid:
                return slot
        return -1


def await_death(pid: int) -> None:
    """Wait until the process has ended: a zombie, or reaped. Its descriptors are closed then."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll()
    finally:
        os.close(fd)
