"""PopBench: which method recovers a known joint, from how much information.

Tasks (`task`) are posed (`pose`) to entrants (`entrants`), whose people are scored (`figures`) into
append-only rows (`rows`, by `run`); `leaderboard` makes tables of rows and cannot run anything.
"""
