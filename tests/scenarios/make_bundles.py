"""Make the bundles in tests/data/bundles: run faults against a real daemon, and keep the recorded wires.

``python -m tests.scenarios.make_bundles [NAME...]``. A bundle of a real incident is added as it is: its
``wire.json`` under any name.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from contextlib import nullcontext
from pathlib import Path

from tests.scenarios.fault_runs import (
    find_job,
    open_threaded_stage,
    prompt_of,
    renders_blocked,
    run_verb,
    start_daemon,
    wait_for_end,
)
from tests.scenarios.fault_table import End, Row, fault
from tests.scenarios.stage import wait_until

FOLLOW_UP = "follow-up"
BUNDLES = Path(__file__).parents[1] / "data" / "bundles"

AT_ONCE = [
    Row("refused", (fault("refuse", title="Banned prompt"),), End.FAILED),
    Row("blocked-link", (fault("refuse", title="Invalid link"),), End.FAILED),
    Row("moderated", (fault("moderated"),), End.FAILED),
    Row("rate-limited", (fault("post_429"),)),
    Row("post-reset-executed", (fault("post_reset_executed"),)),
    Row("post-reset-not-executed", (fault("post_reset"),)),
    Row("cdn-404", (fault("cdn_404", count=99),), End.FAILED),
    Row("no-start", (fault("no_start"),)),
    Row("no-progress", (fault("no_progress"),)),
    Row("stale-version", (fault("stale_version", count=2),)),
    Row("captcha", (fault("captcha"),), End.NEEDS_PERSON),
    Row("interaction-failed", (fault("interaction_failed"),), End.IN_DOUBT),
    Row("final-lost", (fault("final_lost"),)),
    Row(FOLLOW_UP, ()),
]
WHILE_RUNNING = [
    Row("gateway-cut", (fault("gateway_cut"),)),
]


def make(row: Row, target: Path, *, late: bool) -> None:
    """Run this row alone, and write what its bundle has of the wire."""
    with tempfile.TemporaryDirectory() as folder:
        with open_threaded_stage(Path(folder) / "w", seconds_per_job=0.5) as stage:
            if not late:
                for armed in row.faults:
                    stage.arm_fault(**armed)
            if row.name == FOLLOW_UP:
                stage.drop("job.ready.toml", f'prompt = "{prompt_of(row)}"\nthen = ["U2"]\n')
            else:
                stage.drop("job.ready.txt", f"{prompt_of(row)}\n")
            with renders_blocked() if late else nullcontext():
                daemon = start_daemon(stage)
                if late:
                    wait_until(lambda: (job := find_job(stage, row)) and job.started, f"{row.name} runs")
                    stage.arm_fault(**row.faults[0])
            assert wait_for_end(stage, row, daemon), stage.log
            job = find_job(stage, row)
            assert job is not None
            bundle = Path(folder) / "bundle.zip"
            run_verb(stage, "bundle", job.id, "--out", str(bundle))
            stage.stop(daemon)
        with zipfile.ZipFile(bundle) as parts:
            wire = json.loads(parts.read(f"mjwatch-{job.id}/wire.json"))
    lines = wire.pop("lines")
    shown = ",\n".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) for line in lines)
    target.write_text(f'{json.dumps(wire)[:-1]}, "lines": [\n{shown}\n]}}\n', encoding="utf-8")


def main(names: list[str]) -> None:
    """Make the named bundles, or all."""
    BUNDLES.mkdir(exist_ok=True)
    for row in [*AT_ONCE, *WHILE_RUNNING]:
        if not names or row.name in names:
            make(row, BUNDLES / f"{row.name}.json", late=row in WHILE_RUNNING)
            print(row.name)


if __name__ == "__main__":
    main(sys.argv[1:])
