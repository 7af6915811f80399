"""The door: everything that the engine does to the world, and every way its processes wait for
each other.
"""
