"""An isolation checker: a history of transactions in, a verdict with witnesses out.

It knows nothing of the engine and nothing of the controller. `README.md` says how it works.
"""
