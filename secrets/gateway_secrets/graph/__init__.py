"""Which remote path reaches which Secret reaches which workload. Pure: names alone, never a value.

``uses`` says which Secrets an object uses, ``build`` makes a graph of many objects, ``model`` is the graph and what is taken
out of it, ``render`` draws it.
"""
