"""Faults by place, armed in the shared memory: whoever gets there strikes.

    ARMED --(the place is reached)--> STRUCK        ARMED --(disarm)--> DISARMED

What places and actions mean is told in chaos/faults/places.py. A fault at a call is armed as a
count: a cell of the table of counts belongs to one role and one call, and the cell's trigger is the
count at which somebody has to look here, so a step without a fault costs one comparison.

PLACE-1  A fault strikes before the effect of the call that it names.
PLACE-2  Who strikes several kills the others first, each parked at its own place, and itself last.
PLACE-3  All faults that are armed for the same pass strike; one that ends the process that is there
         comes last.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chaos.faults import places as texts
from chaos.faults.places import Action, PlacedFault
from chaos.scheduler.calls import (
    CALL_NAMES,
    CALL_NUMBERS,
    CALLS,
    CONTROLLER,
    POSTMASTER,
    ROLE_NUMBERS,
    ROLES,
)
from chaos.scheduler.layout import (
    BIRTH,
    DEAD,
    FAULT_WORDS,
    FAULTS,
    FAULTS_MADE,
    FOR_TIME,
    FREE,
    KILL_LOG,
    KILL_WORDS,
    KILLS_LOGGED,
    LSN_AT,
    NEVER,
    NEXT,
    PARKED_AT,
    ROLE,
    SLOTS_USED,
    STEP,
    TIME_AT_US,
    VPID,
    WALL_US,
    Layout,
)

if TYPE_CHECKING:
    from chaos.scheduler.baton import Baton

(
    STATE,
    KIND,
    ROLE_OF,
    CALL,
    AT,
    SESSION,
    ACTION,
    ARGUMENT,
    WHO,
    TIMES,
    STRUCK_STEP,
    STRUCK_US,
    STRUCK_VPID,
    STRUCK_ROLE,
    STRUCK_CALL,
    STRUCK_ABOUT,
) = range(16)

ARMED: Final = 1
STRUCK: Final = 2
DISARMED: Final = 3

AT_CALL: Final = 0
AT_TIME: Final = 1
AT_LSN: Final = 2

_ANY_ROLE: Final = -1
_ACTIONS: Final = (
    texts.KILL, texts.STOP, texts.ERROR, texts.SHORT, texts.DROP, texts.DELAY, texts.CLOCK,
    texts.LOSE, texts.MISDIRECT,
)  # fmt: skip
_SELF_BIT: Final = 1 << 30
_OF_THE_CALL: Final = (texts.ERROR, texts.SHORT, texts.DROP, texts.LOSE, texts.MISDIRECT)
_OF_PROCESSES: Final = (texts.KILL, texts.STOP, texts.CLOCK)
"""What can be done where no call is under way."""


class NoSuchPlace(ValueError):
    """A place that this target does not have, or more faults than can be armed at once."""


@dataclass(frozen=True, slots=True)
class Struck:
    """What a fault does to the call at which it struck; what it does to processes is done."""

    kind: str
    errno: int = 0


@dataclass(frozen=True, slots=True)
class Blow:
    """Where an armed fault struck: the step, virtual time, the process that was there, its call,
    and what that was about: the numbers of the step.
    """

    step: int
    time_us: int
    vpid: int
    role: str
    call: str
    about: int


class Places:
    """The armed faults."""

    def __init__(self, layout: Layout, baton: Baton) -> None:
        self._layout = layout
        self._baton = baton
        self._words = layout.words

    # the controller's side -----------------------------------------------------------------------

    def arm(self, fault: PlacedFault, session_vpid: int = 0) -> int:
        """Arm a fault, counted from now on; its number."""
        words, place = self._words, fault.place
        call = _call_of(fault)
        number = self._free_number()
        entry = self._entry(number)
        for index in range(FAULT_WORDS):
            entry[index] = 0
        entry[STATE] = ARMED
        entry[SESSION] = session_vpid
        self._describe(entry, fault.action)
        if place.time_us is not None:
            entry[KIND], entry[AT] = AT_TIME, self._baton.now_us() + place.time_us
            words[TIME_AT_US] = min(words[TIME_AT_US], entry[AT])
            words[NEXT] = 0
        elif place.lsn is not None:
            entry[KIND], entry[AT] = AT_LSN, place.lsn
            words[LSN_AT] = min(words[LSN_AT], place.lsn)
        else:
            entry[KIND], entry[CALL] = AT_CALL, call
            entry[ROLE_OF] = _ANY_ROLE if place.role == texts.ANY else ROLE_NUMBERS[place.role]
            entry[AT] = place.count
            if not self._counts_each(entry):
                entry[AT] += self._layout.counts[entry[ROLE_OF] * CALLS + call]
            self._set_triggers(call)
        return number

    def _free_number(self) -> int:
        words = self._words
        if words[FAULTS_MADE] < FAULTS:
            words[FAULTS_MADE] += 1
            return int(words[FAULTS_MADE]) - 1
        for number in range(FAULTS):
            if self._entry(number)[STATE] != ARMED:
                return number
        raise NoSuchPlace(f"more than {FAULTS} faults are armed at once")

    def disarm(self, number: int) -> None:
        """Let it not strike any more."""
        entry = self._entry(number)
        if entry[STATE] == ARMED:
            entry[STATE] = DISARMED
            self._refresh()

    def blow(self, number: int) -> Blow | None:
        """Where it struck (the last time, if it strikes several times); None if it has not."""
        entry = self._entry(number)
        if not entry[STRUCK_STEP]:
            return None
        role = ROLES[entry[STRUCK_ROLE]]
        call = CALL_NAMES[entry[STRUCK_CALL]]
        when = entry[STRUCK_STEP], entry[STRUCK_US]
        return Blow(*when, entry[STRUCK_VPID], role, call, entry[STRUCK_ABOUT])

    def _describe(self, entry: memoryview, action: Action) -> None:
        entry[ACTION] = _ACTIONS.index(action.kind)
        entry[ARGUMENT] = action.errno or action.duration_us
        entry[TIMES] = action.times
        mask = 0
        for word in action.who or (texts.SELF,):
            if word == texts.SELF:
                mask |= _SELF_BIT
            elif word in (texts.ALL, texts.CHILDREN):
                mask |= (1 << len(ROLES)) - 1 & ~(1 << CONTROLLER)
                if word == texts.CHILDREN:
                    mask &= ~(1 << POSTMASTER)
            else:
                mask |= 1 << ROLE_NUMBERS[word]
        entry[WHO] = mask

    # where it is reached -------------------------------------------------------------------------

    def at_call(self, cell: int, reached: int) -> Struck | None:
        """The trigger of this cell: find which faults it is for."""
        role, call = divmod(cell, CALLS)
        vpid = self._layout.fields[VPID][self._baton.slot]
        found = []
        for number in range(self._words[FAULTS_MADE]):
            entry = self._entry(number)
            if entry[STATE] != ARMED or entry[KIND] != AT_CALL or entry[CALL] != call:
                continue
            if self._counts_each(entry):
                if entry[ROLE_OF] in (_ANY_ROLE, role) and entry[SESSION] in (0, vpid):
                    entry[AT] -= 1
                    if entry[AT] == 0:
                        found.append(entry)
            elif entry[ROLE_OF] == role and entry[AT] == reached:
                found.append(entry)
        for entry in found:
            entry[TIMES] -= 1
            entry[AT] += 1
            if entry[TIMES] <= 0:
                entry[STATE] = STRUCK
        self._set_triggers(call)
        found.sort(key=self._ends_this_process)
        struck = [self._strike(entry) for entry in found]
        return next((one for one in struck if one.kind in _OF_THE_CALL), None)

    def _ends_this_process(self, entry: memoryview) -> bool:
        """Whether nothing can be done after this one."""
        own = self._baton.slot
        return _ACTIONS[entry[ACTION]] == texts.KILL and own in self._victims(entry[WHO])

    def at_time(self, now_us: int) -> None:
        """The clock has reached the time of a fault."""
        self._strike_all(AT_TIME, now_us)

    def at_lsn(self, lsn: int) -> None:
        """The WAL has reached the LSN of a fault."""
        self._strike_all(AT_LSN, lsn)

    def _strike_all(self, kind: int, reached: int) -> None:
        for number in range(self._words[FAULTS_MADE]):
            entry = self._entry(number)
            if entry[STATE] == ARMED and entry[KIND] == kind and entry[AT] <= reached:
                entry[STATE] = STRUCK
                self._refresh()
                self._strike(entry)

    def _strike(self, entry: memoryview) -> Struck:
        baton, words = self._baton, self._words
        entry[STRUCK_STEP] = words[STEP]
        entry[STRUCK_US] = baton.now_us()
        entry[STRUCK_VPID] = self._layout.fields[VPID][baton.slot]
        entry[STRUCK_ROLE] = self._layout.fields[ROLE][baton.slot]
        entry[STRUCK_CALL], entry[STRUCK_ABOUT] = baton.last_call(), baton.last_subject()
        baton.hint_clients()
        kind = _ACTIONS[entry[ACTION]]
        argument = entry[ARGUMENT]
        if kind == texts.KILL:
            self.kill_all(self._victims(entry[WHO]), by_place=True)
        elif kind == texts.STOP:
            for slot in self._victims(entry[WHO]):
                baton.stop(slot, baton.now_us() + argument)
        elif kind == texts.CLOCK:
            words[WALL_US] += argument
        elif kind == texts.DELAY:
            baton.block(FOR_TIME, baton.now_us() + argument)
        elif kind == texts.ERROR:
            return Struck(kind, argument if argument != errno.EINTR else 0)
        return Struck(kind)

    def _victims(self, mask: int) -> list[int]:
        """PLACE-2: in order of their slots, this process last.

        At a time it may be the controller that looks at the clock, or a process that has just
        ended: then `self` is the youngest of all.
        """
        own, roles = self._baton.slot, self._layout.fields[ROLE]
        alive = [
            slot
            for slot in range(CONTROLLER + 1, self._words[SLOTS_USED])
            if self._layout.states[slot] not in (FREE, DEAD)
        ]
        youngest = max(alive, key=self._layout.fields[BIRTH].__getitem__, default=CONTROLLER)
        self_ = own if own in alive else youngest
        found = [
            slot
            for slot in alive
            if mask >> roles[slot] & 1 or (mask & _SELF_BIT and slot == self_)
        ]
        return sorted(found, key=lambda slot: (slot == own, slot))

    def kill_all(self, slots: list[int], *, by_place: bool) -> None:
        """Kill these, and count each at the place where it was parked."""
        fields, log, words = self._layout.fields, self._layout.kill_log, self._words
        last = self._baton.last_call()
        for slot in slots:
            call = last if slot == self._baton.slot else fields[PARKED_AT][slot]
            cell = fields[ROLE][slot] * CALLS + call
            self._layout.kills[cell] += 1
            at = words[KILLS_LOGGED] % KILL_LOG * KILL_WORDS
            log[at], log[at + 1], log[at + 2] = fields[VPID][slot], cell, int(by_place)
            words[KILLS_LOGGED] += 1
        for slot in slots:
            self._baton.kill(slot)

    # triggers ------------------------------------------------------------------------------------

    def _entry(self, number: int) -> memoryview:
        return self._layout.faults[number * FAULT_WORDS : (number + 1) * FAULT_WORDS]

    @staticmethod
    def _counts_each(entry: memoryview) -> bool:
        """Whether the fault counts down by itself, since no cell counts what it is about."""
        return entry[ROLE_OF] == _ANY_ROLE or entry[SESSION] != 0

    def _refresh(self) -> None:
        """Set all triggers anew."""
        words = self._words
        armed = [e for n in range(words[FAULTS_MADE]) if (e := self._entry(n))[STATE] == ARMED]
        words[TIME_AT_US] = min((e[AT] for e in armed if e[KIND] == AT_TIME), default=NEVER)
        words[LSN_AT] = min((e[AT] for e in armed if e[KIND] == AT_LSN), default=NEVER)
        for number in range(words[FAULTS_MADE]):
            entry = self._entry(number)
            if entry[KIND] == AT_CALL:
                self._set_triggers(entry[CALL])

    def _set_triggers(self, call: int) -> None:
        """For each role, the next count of this call at which somebody has to look here."""
        layout = self._layout
        nearest: dict[int, int] = {}
        for number in range(self._words[FAULTS_MADE]):
            entry = self._entry(number)
            if entry[STATE] != ARMED or entry[KIND] != AT_CALL or entry[CALL] != call:
                continue
            roles = range(len(ROLES)) if entry[ROLE_OF] == _ANY_ROLE else (entry[ROLE_OF],)
            for role in roles:
                count = layout.counts[role * CALLS + call]
                at = count + 1 if self._counts_each(entry) else entry[AT]
                if at > count:
                    nearest[role] = min(at, nearest.get(role, at))
        for role in range(len(ROLES)):
            layout.triggers[role * CALLS + call] = nearest.get(role, 0)


def _call_of(fault: PlacedFault) -> int:
    """The number of the call or point at which it strikes; 0 when its place is none."""
    place, kind = fault.place, fault.action.kind
    if place.time_us is not None or place.lsn is not None:
        if kind not in _OF_PROCESSES:
            raise NoSuchPlace(f"at a time or an LSN there is no call for {str(fault.action)!r}")
        return 0
    call = CALL_NUMBERS.get(place.call)
    if call is None:
        raise NoSuchPlace(f"there is no call or injection point {place.call!r} here")
    return int(call)
