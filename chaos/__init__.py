"""The controller: runs a workload against a target, breaks it, and judges what was seen."""
