"""Other packages as entrants: one file each, run in a virtual environment of its own.

To add one, write ``benchmarks/peers/<name>.py`` with

- a docstring whose first line is its title in tables,
- ``REQUIREMENTS``: what pip installs, exact versions, as ("ipfn==1.4.4",),
- ``NEEDS``: what it cannot do without, of "margins", "records" and "homes" (records that are
  households with everybody in them: `peers.given.Homes`),
- ``people(given)``, which returns a `peers.given.People`, and raises `peers.given.CannotUse` where
  the package is not made for what is given.

It may import nothing of popgen's. ``python benchmarks/peers/run.py try <name>`` runs it.
"""
