"""The sentences of a report: what they say follows from the figures."""

import pytest

from popgen.report.words import about, conclude, placed


def row(metric, order, value, group="all", **more):
    known = {"candidate": "x", "size": 1000, "tables": 3, "se": None, "skill": None}
    yardsticks = {"floor": 0.0, "ceiling": 1.0}
    return {
        **known,
        **yardsticks,
        "group": group,
        "metric": metric,
        "order": order,
        "value": value,
        **more,
    }


def said(*rows):
    return about({(one["metric"], one["order"], one["group"]): one for one in rows})


@pytest.mark.parametrize(
    ("slope", "se", "expected"),
    [
        (2.24, 0.1, "are 2.2 times too strong"),
        (1.3, 0.2, "have the right strength (slope 1.30)"),
        (1.3, 0.1, "are 1.3 times too strong"),
        (1.05, None, "have the right strength (slope 1.05)"),
        (0.63, 0.05, "have 63% of their true strength"),
        (0.04, 0.01, "are all but absent (slope 0.04)"),
        (-0.4, 0.1, "point the wrong way (slope −0.40)"),
    ],
)
def test_words_follow_the_slope(slope, se, expected):
    assert said(row("slope", 2, slope, se=se)) == f"Two-way interactions {expected}."


@pytest.mark.parametrize(
    ("correlation", "ceiling", "expected"),
    [
        (0.8, 1.0, "right"),
        (0.5, 1.0, "partly right"),
        (0.5, 0.6, "right"),  # as far as a sample of that size can tell
        (0.1, 1.0, "mostly wrong"),
        (-0.5, 0.9, "mostly wrong"),
    ],
)
def test_words_follow_the_correlation(correlation, ceiling, expected):
    text = said(row("slope", 2, 2.0), row("correlation", 2, correlation, ceiling=ceiling))
    assert f", their pattern {expected} (correlation " in text


@pytest.mark.parametrize(
    ("skill", "se", "expected"),
    [
        (-0.3, 5.0, "worse than independent draws (K3 870.0 against 900.0)"),
        (-0.3, 20.0, "no better than independent draws (K3 870.0 against 900.0)"),
        (0.04, None, "no better than independent draws (K3 904.0 against 900.0)"),
        (
            0.5,
            5.0,
            "better than independent draws (900.0) but short of a real "
            "sample of its size (1000.0): K3 950.0",
        ),
        (0.95, 1.0, "as near the truth as a real sample of its size (K3 995.0 against 1000.0)"),
        (1.4, 5.0, "nearer the truth than a real sample of its size (K3 1040.0 against 1000.0)"),
    ],
)
def test_words_follow_the_joint(skill, se, expected):
    value = 900 + 100 * skill
    given = row("K", 3, value, floor=900.0, ceiling=1000.0, skill=skill, se=se)
    lower = row("K", 2, 950.0, floor=900.0, ceiling=1000.0, skill=0.5)
    assert said(lower, given) == f"Its three-way joint is {expected}."


@pytest.mark.parametrize(
    ("skill", "expected"),
    [
        (-1.0, "larger than with independent draws"),
        (0.0, "that of independent draws"),
        (0.33, "33% of the way from independence to a real sample of its size"),
        (1.0, "that of a real sample of its size"),
        (1.5, "smaller than that of a real sample of its size"),
    ],
)
def test_words_about_what_no_input_contained(skill, expected):
    slope = row("slope", 2, 0.2, "unmeasured", tables=31)
    error = row("mae", 2, 0.1, "unmeasured", skill=skill)
    assert said(slope, error) == (
        "On the 31 pairs that no input contained: two-way interactions have 20% of their true "
        f"strength, and their error is {expected}."
    )


def test_words_call_the_ceiling_of_exact_counts_the_truth():
    given = row("K", 3, 1000.0, floor=900.0, ceiling=1000.0, skill=1.0, size=None)
    assert said(given) == "Its three-way joint is the truth's own (K3 1000.0)."


def test_words_rank_candidates_only_if_there_are_two_with_a_skill():
    rows = [row("mae", 2, 0.1, candidate=name, skill=s) for name, s in (("a", -0.2), ("b", 0.9))]
    (ranked,) = conclude(rows)
    assert (ranked.subject[:5], ranked.text) == ("Skill", "b 0.90; a −0.20.")
    assert str(ranked).endswith("(0 independent draws, 1 a real sample): b 0.90; a −0.20.")
    assert conclude(rows[:1]) == []
    assert conclude([rows[0], row("mae", 2, 0.1, candidate="b")]) == []


def test_placed_at_both_yardsticks_is_at_the_floor():
    assert placed(row("K", 3, 0.9, skill=0.9, se=2.0)) == 0
