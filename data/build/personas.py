"""Build data/personas: the recorded language-model panels, their prompts and a card.

Files are copied byte for byte. `fill_truth.csv` stays behind: it holds survey respondents' answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shipped import ROOT, Files, Toml, document, main, require, sha256, table

RAW = "llm_panels"
LEFT_OUT = {"fill_truth.csv": "answers of survey respondents; person rows are not shipped"}
RECORDINGS = {
    "direct_run1.csv": "400 personas invented from the one-way shares, run 1",
    "direct_run2.csv": "the same prompt, run 2",
    "direct_run3.csv": "the same prompt, run 3",
    "fill_rows.csv": "400 profiles (gender, age, race, education, region) given to the model",
    "fill_run1.csv": "the six attributes the model filled in for fill_rows.csv, run 1",
    "fill_run2.csv": "the same profiles, run 2 (re-run instability)",
    "judge_rows.csv": "500 records drawn independently from the one-way shares",
    "judge_run1.csv": "the model's verdict on each: plausible (1) or to be redrawn (0)",
    "conditionals_run1.csv": "the model's own estimates of conditional shares, in percent",
}


@dataclass(frozen=True)
class Arm:
    """One way of asking the model, and the files it left."""

    description: str
    prompt: tuple[str, ...]
    runs: tuple[str, ...]
    rows: str = ""  # what the model was given, one line a case
    key: str = ""  # the right answers or the scoring key

    def files(self) -> tuple[str, ...]:
        """List every file of the arm."""
        return tuple(f for f in (*self.prompt, self.rows, self.key, *self.runs) if f)

    def entry(self) -> dict[str, Toml]:
        """Give the arm's part of card.toml, without what it has not."""
        return {name: item for name, item in vars(self).items() if item}


def _runs(stem: str, *which: str | int) -> tuple[str, ...]:
    return tuple(f"{stem}{one}.csv" for one in which)


ARMS = {
    "direct": Arm(
        "given the one-way shares, the model invents whole personas",
        ("prompts/direct.md", "prompts/population.md"),
        _runs("recordings/direct_run", 1, 2, 3),
    ),
    "fill": Arm(
        "given real coarse profiles, the model fills in six more attributes",
        ("prompts/fill.md", "prompts/population.md"),
        _runs("recordings/fill_run", 1, 2),
        rows="recordings/fill_rows.csv",
    ),
    "judge": Arm(
        "records drawn independently; the model says plausible (1) or redraw (0)",
        ("prompts/judge.md", "prompts/population.md"),
        _runs("recordings/judge_run", 1),
        rows="recordings/judge_rows.csv",
    ),
    "conditionals": Arm(
        "the model's estimates of conditional shares: a chain of tables",
        ("prompts/conditionals.md", "prompts/population.md"),
        _runs("recordings/conditionals_run", 1),
    ),
    "evidence": Arm(
        "80 two-by-two evidence items, answered without and with a persona",
        ("diagnostics/evidence.md", "diagnostics/evidence_items.md"),
        _runs("diagnostics/evidence_", "none", "democrat", "republican"),
        key="diagnostics/evidence_key.csv",
    ),
    "traits": Arm(
        "a 20-item Big Five questionnaire answered as 32 assigned profiles",
        ("diagnostics/traits.md",),
        _runs("diagnostics/traits_run", 1, 2),
        rows="diagnostics/trait_profiles.csv",
        key="diagnostics/mini_ipip_key.csv",
    ),
}
RUN = (
    "default decoding; one conversation a run; for each arm but the diagnostics the arm's prompt "
    "was followed by population.md; each line was written directly by the model"
)
FORBIDDEN = [
    "running any code",
    "looking at any data beyond the prompt and the rows it was given",
    "later edits of a line once written",
]
SLANT = (
    "The persona runs of the diagnostics (evidence_democrat.csv, evidence_republican.csv, traits) "
    "took the slant on purpose, as role-play, by the model's own account; the run without a "
    "persona weighed the ratios. They show that the model can play a part, not that it is biased."
)
CARD = """\
# Persona panels written by a large language model

Model: Claude (Anthropic). Recorded: 2026-11-23, for this project. Licence: see below.

## What this is

Answers of one language model about one population: the 60,282 complete rows of the Cooperative
Election Study 2020, whose true tables are in `data/census_marginals/us_panel_2020`. The model was
told the one-way shares (`prompts/population.md`) and nothing else about the joint.

| arm | files | what was asked |
| --- | --- | --- |
{arms}

## How it was recorded

{run}.

Forbidden: {forbidden}.

{slant}

`direct` runs have fewer than the 400 lines asked for: {rows}. Nothing was added or cut.

## Levels

The eleven variables and their levels are those of `us_panel_2020/codebook.toml`. `fill_rows.csv`
holds coarse profiles of real respondents (five attributes, no identifier of the survey, no
answer); what those respondents really answered is not shipped.

## Limits

One model, one date, one population, one to three runs an arm. Panels are too small to measure rare
cells; compare them with a real replicate of the same size, not with the truth itself.

## Licence

The recordings were made for this project and ship under its licence. The questionnaire items of the
`traits` arm are public-domain IPIP items. The evidence items were written for this project.

Every file's SHA-256 is in `card.toml`.
"""


def build(shared: Path) -> Files:
    """Give the files of the folder: copies, and the card."""
    raw = shared / RAW
    recordings = {p.name for p in (raw / "recordings").iterdir()}
    expected = set(RECORDINGS) | set(LEFT_OUT)
    require(recordings == expected, f"unexpected recordings {sorted(recordings ^ expected)}")
    files: Files = {}
    for folder in ("recordings", "prompts", "diagnostics"):
        for path in sorted((raw / folder).iterdir()):
            if path.name not in LEFT_OUT:
                files[f"{folder}/{path.name}"] = path.read_bytes()
    named = {name for arm in ARMS.values() for name in arm.files()}
    require(named <= set(files), f"the card names files that are not here: {named - set(files)}")
    return files | {"CARD.md": card(files), "card.toml": card_toml(files)}


def lines(content: bytes) -> int:
    """Count the rows of a CSV, without its header."""
    return len(content.decode().splitlines()) - 1


def card(files: Files) -> bytes:
    """Give CARD.md, for people."""
    direct = [lines(files[f"recordings/direct_run{i}.csv"]) for i in (1, 2, 3)]
    arms = [
        f"| {name} | {', '.join(run.split('/')[1] for run in arm.runs)} | {arm.description} |"
        for name, arm in ARMS.items()
    ]
    return CARD.format(
        arms="\n".join(arms),
        run=RUN[0].upper() + RUN[1:],
        forbidden="; ".join(FORBIDDEN),
        slant=SLANT,
        rows=", ".join(map(str, direct)),
    ).encode()


def card_toml(files: Files) -> bytes:
    """Give card.toml, for programs."""
    head: dict[str, Toml] = {
        "title": "Persona panels written by a large language model",
        "model": "Claude",
        "provider": "Anthropic",
        "recorded": "2026-11-23",
        "how": RUN,
        "forbidden": FORBIDDEN,
        "slant": SLANT,
        "population": "us_panel_2020",
        "licence": "that of this project; IPIP items are public domain",
        "left_out": LEFT_OUT,
    }
    return document(
        table("", head),
        *(table(f"arms.{name}", arm.entry()) for name, arm in ARMS.items()),
        *(
            table(
                "files",
                {"path": name}
                | ({"rows": lines(content)} if name.endswith(".csv") else {})
                | (
                    {"description": RECORDINGS[name.split("/")[1]]}
                    if name.startswith("recordings/")
                    else {}
                )
                | {"sha256": sha256(content)},
                array=True,
            )
            for name, content in files.items()
        ),
    )


if __name__ == "__main__":
    main(build, ROOT / "data" / "personas", __doc__)
