# SPDX-License-Identifier: GPL-2.0-or-later
"""Run stages, two or three at a time where they leave a core idle, and tell what
came of them."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass

from .results import Results, read
from .stages import BUILD, STAGES, TOP


def say(text):
    """A line of the check's own."""
    print(f'check: {text}', flush=True)


@dataclass
class Run:
    """A stage that runs or has run."""

    stage: object
    log: object
    process: subprocess.Popen
    began: float
    seconds: float = 0.0
    cpu: float = 0.0
    status: int = 0
    results: Results | None = None

    @property
    def good(self):
        """Whether others that need it can run."""
        return self.status == 0

    def last_line(self):
        """How far it is, by the end of its log."""
        with self.log.open('rb') as file:
            file.seek(max(0, self.log.stat().st_size - 1000))
            lines = file.read().decode(errors='replace').split('\n')
        return next((line for line in reversed(lines) if line.strip()), '')


class Suite:
    """The stages `names`, and what they need, as one run."""

    def __init__(self, names, full, stages=None, command=None, logs=None):
        self.stages = stages if stages is not None else STAGES
        self.command = command or [sys.executable, TOP / 'scripts/check', '--stage']
        self.logs = logs or BUILD / 'log'
        self.waiting = [s for s in self.needed(names) if full or not s.full]
        # Stages of tests that are left out, each as one test.
        self.skipped = [s for s in self.needed(names) if s.full and s.form and not full]
        self.running, self.ended, self.left = [], {}, {}

    def needed(self, names):
        """The stages of that name and what they need, in the table's order."""
        wanted, todo = set(), list(names)
        while todo:
            name = todo.pop()
            if name not in wanted:
                wanted.add(name)
                todo += self.stages[name].needs
        return [stage for name, stage in self.stages.items() if name in wanted]

    def run(self):
        """Run all of them."""
        self.logs.mkdir(parents=True, exist_ok=True)
        told = time.monotonic()
        try:
            while self.waiting or self.running:
                self.start_what_can()
                self.reap()
                if time.monotonic() - told > 30:
                    told = time.monotonic()
                    for run in self.running:
                        say(f'  {run.stage.name} {told - run.began:.0f} s: '
                            f'{run.last_line()[:100]}')
                time.sleep(0.1)
        finally:
            for run in self.running:
                os.killpg(run.process.pid, signal.SIGTERM)

    def start_what_can(self):
        """Start each stage whose lane is free and whose needs are there."""
        known = {s.name for s in self.waiting} | {r.stage.name for r in self.running} \
            | set(self.ended)
        for stage in list(self.waiting):
            bad = [need for need in stage.needs if need in self.left or
                   need in self.ended and not self.ended[need].good]
            if bad:
                self.waiting.remove(stage)
                self.left[stage.name] = f'not run: {bad[0]} failed'
                say(f'{stage.name}: {self.left[stage.name]}')
            elif all(need in self.ended for need in stage.needs if need in known) \
                    and self.lane_is_free(stage):
                self.waiting.remove(stage)
                self.start(stage)

    def lane_is_free(self, stage):
        """Whether no stage that runs, or has to be run before, is in its way."""
        if stage.lane == 'alone':
            return not self.running and not any(
                other.lane != 'alone' for other in self.waiting)
        return all(run.stage.lane not in ('alone', stage.lane) for run in self.running)

    def start(self, stage):
        """Start a stage, its output into a log of its own."""
        say(f'{stage.name} ...')
        log = self.logs / f'check-{stage.name}.log'
        with log.open('w') as out:
            process = subprocess.Popen([*self.command, stage.name], stdout=out,
                                       stderr=out, stdin=subprocess.DEVNULL,
                                       start_new_session=True)
        self.running.append(Run(stage, log, process, time.monotonic()))

    def reap(self):
        """Take in what has ended."""
        for run in list(self.running):
            pid, status, usage = os.wait4(run.process.pid, os.WNOHANG)
            if not pid:
                continue
            self.running.remove(run)
            run.status = run.process.returncode = os.waitstatus_to_exitcode(status)
            run.seconds = time.monotonic() - run.began
            run.cpu = usage.ru_utime + usage.ru_stime
            if run.stage.form or run.status:
                run.results = read(run.stage.form or 'plain',
                                           run.log.read_text(errors='replace'),
                                           run.status, run.stage.name)
                # A stage that counts a failure isn't one to build on.
                run.status = run.status or int(run.results.total('failed') > 0)
            self.ended[run.stage.name] = run
            say(f'{run.stage.name}: {self.line(run)}')
            if run.status:
                self.show(run)

    @staticmethod
    def line(run):
        """A stage's figures in one line."""
        took = f'{run.seconds:.0f} s, {run.cpu:.0f} s of CPU'
        if not run.results:
            return f'done ({took})'
        passed, failed, skipped = map(run.results.total, ('passed', 'failed', 'skipped'))
        return f'{passed} passed, {failed} failed, {skipped} skipped ({took})'

    @staticmethod
    def show(run):
        """Why a stage failed, at once."""
        for failure in run.results.failures[:40]:
            print(f'    {failure[:240]}')
        for line in run.log.read_text(errors='replace').splitlines()[-25:]:
            print(f'    | {line[:240]}')
        say(f'all of it is in {run.log}')

    def summary(self):
        """Times, what was left out and why, failures, and the line that counts.
        Gives back the exit status."""
        counted = [run for run in self.ended.values() if run.results]
        print(f'\n{self.table()}\n')
        for seconds, name in sorted((slow for run in counted for slow in
                                     run.results.slowest), reverse=True)[:20]:
            print(f'slow: {seconds:.1f} s: {name}')
        reasons = Counter(reason for run in counted for _, reason in run.results.skips)
        for reason, count in reasons.most_common():
            print(f'skipped {count}: {reason}')
        for stage in self.skipped:
            print(f'skipped: {stage.name}: only in make check-all: {stage.what}')
        for name, why in self.left.items():
            print(f'{name}: {why}')
        for run in counted:
            for failure in run.results.failures:
                print(f'{run.stage.name}: {failure[:240]}')
        passed, failed, skipped = (sum(run.results.total(what) for run in counted)
                                   for what in ('passed', 'failed', 'skipped'))
        failed += len(self.left)
        skipped += len(self.skipped)
        text = f'{passed} passed, {failed} failed'
        print(text + (f', {skipped} skipped' if skipped else ''), flush=True)
        return 1 if failed else 0

    def table(self):
        """Each stage's and each program's time, as a Markdown table."""
        rows = ['| stage, program | passed | skipped | s | CPU s |',
                '|---|---|---|---|---|']
        for run in self.ended.values():
            count = [run.results.total(what) if run.results else ''
                     for what in ('passed', 'skipped')]
            rows.append(f'| **{run.stage.name}** | {count[0]} | {count[1]} '
                        f'| {run.seconds:.0f} | {run.cpu:.0f} |')
            programs = run.results.programs if run.results else []
            for program in programs if len(programs) > 1 else []:
                rows.append(f'| {program.name} | {program.passed} | {program.skipped} '
                            f'| {program.seconds:.1f} | |')
        return '\n'.join(rows)
