"""The steps of a run, for people: as text, for Perfetto, and where two runs part."""
