"""A failing run made small: fewer cycles, clients, operations, settings, faults and preemptions."""
