# SPDX-License-Identifier: GPL-2.0-or-later
"""What a stage's log says: which programs ran, and what came of their tests.

Each stage says in which of four forms it reports:

    libtest   cargo's and libtest's lines, or libtest-mimic's, which are the same
    tap       programs between marks (see `began` and `ended`), each speaking TAP
    unittest  Python's unittest, with --verbose
    plain     nothing: the stage is one test, and its exit status is the result

Whatever doesn't add up is a failure: a program that ended without its result,
tests that were planned and didn't come, a stage that ran none.
"""

import re
from dataclasses import dataclass, field


@dataclass
class Program:
    """A program of tests, and how many of them passed, failed or were left out."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0


@dataclass
class Results:
    """What came of a stage."""

    programs: list = field(default_factory=list)
    # A sentence for each failure, and (test, reason) for each test left out.
    failures: list = field(default_factory=list)
    skips: list = field(default_factory=list)
    # (seconds, test) for those that took longest.
    slowest: list = field(default_factory=list)

    def total(self, what):
        """The sum over all programs of `passed`, `failed`, `skipped`."""
        return sum(getattr(program, what) for program in self.programs)

    def fail(self, program, why):
        """Count a failure that isn't one of the program's own tests."""
        program.failed += 1
        self.failures.append(f'{program.name}: {why}')


def read(form, text, status, stage):
    """The results of a stage that reports in `form`, wrote `text` to its log and
    ended with `status`."""
    results = Results()
    lines = text.splitlines()
    if form != 'plain':
        FORMS[form](lines, results)
        if status == 0 and not any(map(results.total, ('passed', 'failed', 'skipped'))):
            results.fail(one(results, stage), 'no test ran')
    elif status == 0:
        one(results, stage).passed = 1
    if status != 0 and not results.total('failed'):
        last = next((line for line in reversed(lines) if line.strip()), '')
        results.fail(one(results, stage), f'exit status {status}: {last.strip()}')
    return results


def one(results, name):
    """A program more, of that name."""
    results.programs.append(Program(name))
    return results.programs[-1]


RUNNING = re.compile(r'\s+Running (unittests )?(\S+) \(\S*?([^/]+?)(?:-[0-9a-f]{16})?\)$')
DOC_TESTS = re.compile(r'\s+Doc-tests (\S+)$')
RESULT = re.compile(r'test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;'
                    r'.*; finished in ([0-9.]+)s')
IGNORED = re.compile(r'test (?:\[.*?\] )?(.*?)\s+\.\.\. ignored(?:, (.*)| \((.*)\))?$')
FAILED = re.compile(r'test (?:\[.*?\] )?(.*?)\s+\.\.\. FAILED$')
# The guest tests' harness names those that took longest.
SLOW = re.compile(r'slow: ([0-9.]+) s: (.*)$')
# Above what a failed test said.
SAID = re.compile(r'---- (.*?)(?: stdout)? ----$')


def libtest(lines, results):
    """Cargo names each program; the program ends with a line of counts."""
    program, crate, said = None, '', None
    named = {}

    def end():
        nonlocal program
        if program:
            results.fail(program, 'ended without a result')
        program = None

    for line in lines:
        if match := RUNNING.match(line):
            end()
            unit, path, name = match.groups()
            if unit:
                crate = name
            elif path.startswith('tests/'):
                name = f'{crate}: {name}'
            program = one(results, name)
        elif match := DOC_TESTS.match(line):
            end()
            program = one(results, f'{match[1]}: doc tests')
        elif match := RESULT.match(line):
            program = program or one(results, 'a program')
            program.passed, program.failed, program.skipped = map(int, match.groups()[:3])
            program.seconds = float(match[4])
            program = None
        elif match := FAILED.match(line):
            named[match[1]] = ''
        elif match := IGNORED.match(line):
            results.skips.append((match[1], match[2] or match[3] or 'marked as ignored'))
        elif match := SLOW.match(line):
            results.slowest.append((float(match[1]), match[2]))
        elif match := SAID.match(line):
            said = match[1]
        elif said and line.strip():
            named[said], said = line.strip(), None
    end()
    results.failures += [f'{name}: {why}' if why else name for name, why in named.items()]


def began(name):
    """The mark of a program's begin in a log."""
    return f'== {name}'


def ended(name, status, seconds):
    """The mark of its end."""
    return f'== {name}: exit {status} after {seconds:.1f} s'


ENDED = re.compile(r'== (.*): exit (-?\d+) after ([0-9.]+) s$')
BEGAN = re.compile(r'== (.*)$')
OK = re.compile(r'ok\b\s*\d*\s*(?:- )?(.*?)\s*(?:#\s*(skip)\S*\s*(.*))?$', re.I)
NOT_OK = re.compile(r'not ok\b\s*\d*\s*(?:- )?(.*)$')
PLAN = re.compile(r'1\.\.(\d+)')


def tap(lines, results):
    """Each program's tests, and whether as many came as it had planned."""
    program, planned, seen = None, None, 0
    for number, line in enumerate(lines):
        if match := ENDED.match(line):
            if not program:
                continue
            program.seconds = float(match[3])
            if match[2] != '0' and not program.failed:
                results.fail(program, f'exit status {match[2]}')
            elif planned is None:
                results.fail(program, 'ended without its plan')
            elif planned != seen:
                results.fail(program, f'{planned} tests were planned, {seen} came')
            program = None
        elif match := BEGAN.match(line):
            if program:
                results.fail(program, 'ended without a result')
            program, planned, seen = one(results, match[1]), None, 0
        elif not program:
            continue
        elif match := NOT_OK.match(line):
            seen += 1
            # The series tool and others say why in the lines that follow.
            why = next(iter(lines[number + 1:number + 2]), '')
            results.fail(program, match[1] + (f': {why[4:]}' if why.startswith('#   ') else ''))
        elif match := OK.match(line):
            seen += 1
            if match[2]:
                program.skipped += 1
                results.skips.append((match[1], match[3] or 'no reason given'))
            else:
                program.passed += 1
        elif match := PLAN.match(line):
            planned = int(match[1])
        elif line.startswith('Bail out!'):
            results.fail(program, line)
            # Nothing more is to come.
            planned = seen
    if program:
        results.fail(program, 'ended without a result')


RAN = re.compile(r'Ran (\d+) tests? in ([0-9.]+)s')
VERDICT = re.compile(r'(OK|FAILED)(?: \((.*)\))?$')


def unittest(lines, results):
    """The two lines at the end; failures have lines of their own before."""
    program = None
    for line in lines:
        if match := re.match(r'(?:FAIL|ERROR): (.*)', line):
            results.failures.append(match[1])
        elif match := RAN.match(line):
            program = one(results, 'unittest')
            program.passed, program.seconds = int(match[1]), float(match[2])
        elif program and (match := VERDICT.match(line)):
            counts = dict(part.split('=') for part in (match[2] or '').split(', ') if part)
            program.failed = sum(int(counts.get(what, 0)) for what in
                                 ('failures', 'errors', 'unexpected successes'))
            program.skipped = sum(int(counts.get(what, 0)) for what in
                                  ('skipped', 'expected failures'))
            program.passed -= program.failed + program.skipped


FORMS = {'libtest': libtest, 'tap': tap, 'unittest': unittest}
