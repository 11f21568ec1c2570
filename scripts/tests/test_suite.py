# SPDX-License-Identifier: GPL-2.0-or-later
"""The check itself: which stages run and when, what is left out, what pages say."""

import contextlib
import io
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from suite import programs, tiers  # noqa: E402
from suite.pages import Pages  # noqa: E402
from suite.results import read  # noqa: E402
from suite.runner import Suite  # noqa: E402
from suite.stages import STAGES, TOP, Stage  # noqa: E402
from suite.toolchain import too_new  # noqa: E402


class Scrap(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        scrap = tempfile.TemporaryDirectory()
        self.addCleanup(scrap.cleanup)
        self.top = Path(scrap.name)

    def write(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


class Scheduling(Scrap):
    """Stages that are shell scripts named after them, which write when they begin
    and end into one file."""

    def suite(self, *stages, names=None, full=False):
        """Run stages, given as (name, script, details)."""
        table = {}
        for name, script, details in stages:
            table[name] = Stage(name, name, None, **{'lane': name, 'form': 'plain', **details})
            self.write(name, f'echo +{name} >>{self.top}/order; {script}\n'
                       f'status=$?; echo -{name} >>{self.top}/order; exit $status\n')
        suite = Suite(names or list(table), full, table,
                      ['sh', '-c', f'exec sh {self.top}/$0'], self.top / 'log')
        with contextlib.redirect_stdout(io.StringIO()) as said:
            suite.run()
            status = suite.summary()
        return status, said.getvalue()

    def order(self):
        return (self.top / 'order').read_text().split()

    def test_a_need_comes_first_and_along(self):
        status, said = self.suite(
            ('other', 'true', {}), ('first', 'sleep 0.3', {'form': None}),
            ('second', 'true', {'needs': ('first',)}), names=['second'])
        self.assertEqual(self.order(), ['+first', '-first', '+second', '-second'])
        self.assertEqual((status, said.splitlines()[-1]), (0, '1 passed, 0 failed'))

    def test_what_needs_a_stage_that_failed_is_not_run_and_fails(self):
        status, said = self.suite(
            ('first', 'false', {'form': None}), ('second', 'true', {'needs': ('first',)}),
            ('third', 'true', {'needs': ('second',)}), ('other', 'true', {}))
        self.assertNotIn('+second', self.order())
        self.assertEqual((status, said.splitlines()[-1]), (1, '1 passed, 3 failed'))
        self.assertIn('third: not run: second failed', said)

    def test_a_failure_is_told_with_its_reason(self):
        status, said = self.suite(('bad', 'echo so bad; exit 3', {}), ('good', 'true', {}))
        self.assertEqual((status, said.splitlines()[-1]), (1, '1 passed, 1 failed'))
        self.assertIn('bad: bad: exit status 3: so bad', said)

    def test_one_lane_is_for_one_at_a_time(self):
        self.suite(('a', 'sleep 0.3', {'lane': 'x'}), ('b', 'sleep 0.3', {'lane': 'x'}))
        self.assertEqual(self.order(), ['+a', '-a', '+b', '-b'])

    def test_two_lanes_overlap(self):
        self.suite(('a', 'sleep 0.7', {}), ('b', 'sleep 0.7', {}))
        self.assertEqual(sorted(self.order()[:2]), ['+a', '+b'])

    def test_alone_is_alone(self):
        self.suite(('a', 'sleep 0.3', {'lane': 'alone'}), ('b', 'sleep 0.3', {}),
                   ('c', 'sleep 0.1', {'lane': 'alone'}), ('d', 'true', {'needs': ('b',)}))
        order = self.order()
        for name in 'ac':
            self.assertEqual(order.index(f'-{name}'), order.index(f'+{name}') + 1, order)

    def test_what_only_check_all_has(self):
        stages = ('a', 'true', {'full': True, 'form': None}), \
            ('b', 'true', {'needs': ('a',)}), ('c', 'true', {'full': True})
        _, said = self.suite(*stages)
        self.assertEqual(self.order(), ['+b', '-b'])
        self.assertEqual(said.splitlines()[-2:],
                         ['skipped: c: only in make check-all: c',
                          '1 passed, 0 failed, 1 skipped'])
        (self.top / 'order').unlink()
        _, said = self.suite(*stages, full=True)
        order = self.order()
        self.assertLess(order.index('-a'), order.index('+b'))
        self.assertEqual(said.splitlines()[-1], '2 passed, 0 failed')

    def test_skips_are_told_and_counted(self):
        script = 'printf "== x\\n1..2\\nok 1 - a\\nok 2 - b # SKIP for now\\n' \
            '== x: exit 0 after 1.0 s\\n"'
        status, said = self.suite(('a', script, {'form': 'tap'}))
        self.assertEqual((status, said.splitlines()[-1]), (0, '1 passed, 0 failed, 1 skipped'))
        self.assertIn('skipped 1: for now', said)


class Table(unittest.TestCase):
    def test_needs_are_stages_that_come_before(self):
        seen = set()
        for stage in STAGES.values():
            self.assertLessEqual(set(stage.needs), seen, stage.name)
            seen.add(stage.name)


class Tiers(Scrap):
    LIST = '# no\nqtests a-test -p /x/*: it takes long\nguest boot/kvm: never: works\n'

    def left_out(self, stage, name, tier=''):
        self.write('scripts/only-in-check-all', self.LIST)
        with mock.patch.dict(os.environ, {tiers.VARIABLE: tier}):
            return tiers.left_out(self.top, stage, name)

    def test_left_out(self):
        self.assertEqual(self.left_out('qtests', 'a-test -p /x/y'),
                         'only in make check-all: it takes long')
        self.assertEqual(self.left_out('guest', 'boot/kvm'),
                         'only in make check-all: never: works')
        self.assertIsNone(self.left_out('guest', 'a-test -p /x/y'))
        self.assertIsNone(self.left_out('qtests', 'a-test -p /x/y', 'all'))

    def test_a_test_of_a_program(self):
        self.write('scripts/only-in-check-all', 'qtests a -s /x/y: twice\n')
        line = ['a', '-p', '/x']
        # These tests run in make check-all, too.
        with mock.patch.dict(os.environ, {tiers.VARIABLE: ''}):
            self.assertEqual(programs.skips(self.top, line), ['-s', '/x/y'])
            self.assertEqual(programs.skips(self.top, ['a', '-p', '/z']), [])
            self.assertEqual(programs.skips(self.top, ['b', '-p', '/x']), [])
        with mock.patch.dict(os.environ, {tiers.VARIABLE: 'all'}):
            self.assertEqual(programs.skips(self.top, line), [])

    def test_a_reason_is_needed(self):
        self.LIST = 'guest boot/kvm\n'
        with self.assertRaises(ValueError):
            self.left_out('guest', 'boot/kvm')

    def test_lines_for_qtests_match_something(self):
        lines = [' '.join(line) for line in programs.lines(TOP)]
        for stage, pattern, _ in tiers.listed(TOP):
            if stage != 'qtests':
                continue
            program, skips, test = pattern.partition(' -s ')
            if skips:
                self.assertIn(test.rpartition('/')[0], [line.rpartition(' ')[2] for line in
                                                        lines if line.startswith(program)])
            else:
                self.assertIn(pattern, lines)


class Programs(Scrap):
    def run_all(self, *commands, plain=False, **options):
        """What the counting makes of programs that are run."""
        table = [programs.Program(f'p{n}', ['sh', '-c', command], plain=plain)
                 for n, command in enumerate(commands)]
        log = self.top / 'log'
        with log.open('w') as out, contextlib.redirect_stdout(out):
            status = programs.run(table, **options)
        found = read('tap', log.read_text(), status, 'stage')
        return tuple(map(found.total, ('passed', 'failed', 'skipped')))

    def test_good_and_bad(self):
        good = 'echo 1..1; echo ok 1 - a'
        self.assertEqual(self.run_all(good, good, jobs=2), (2, 0, 0))
        self.assertEqual(self.run_all(good, 'kill -9 $$', jobs=2), (1, 1, 0))
        self.assertEqual(self.run_all(good, 'echo 1..1; printf "not ok 1"; exit 1'), (1, 1, 0))

    def test_output_without_its_last_newline(self):
        for jobs in 1, 2:
            self.assertEqual(self.run_all('echo 1..1; printf "ok 1"', jobs=jobs), (1, 0, 0))

    def test_a_plain_program_is_one_test(self):
        self.assertEqual(self.run_all('echo x', 'exit 3', plain=True), (1, 1, 0))

    def test_one_that_hangs_is_killed_with_what_it_started(self):
        self.assertEqual(self.run_all('echo 1..1; sleep 100 & wait', limit=0.5), (0, 1, 0))

    def test_a_line_whose_tests_another_runs(self):
        lines = [['a'], ['a', '-p', '/x'], ['b', '-p', '/x'], ['b', '-p', '/x'],
                 ['b', '-p', '/x/y'], ['c', '--full', '-p', '/x'], ['c']]
        self.assertEqual(programs.once(lines),
                         [['a'], ['b', '-p', '/x'], ['b', '-p', '/x/y'],
                          ['c', '--full', '-p', '/x'], ['c']])


class Toolchain(unittest.TestCase):
    def test_packages_that_want_more(self):
        packages = [{'name': name, 'version': '1.0.0', 'rust_version': wanted}
                    for name, wanted in [('old', '1.56'), ('same', '1.85'), ('point', '1.85.1'),
                                         ('new', '1.100.0'), ('silent', None)]]
        self.assertEqual([line.split()[0] for line in too_new(packages, '1.85')],
                         ['point', 'new'])
        self.assertEqual(too_new(packages, '1.100'), [])


class Docs(Scrap):
    def complaints(self, text, name='docs/page.md'):
        self.write('rust/crate/src/lib.rs', '')
        self.write('patches/x/0001-a.patch', '')
        self.write('patches/x/0002-b.patch', '')
        self.write('patches/x/0003-c.patch', '')
        page = self.write(name, text)
        return Pages(self.top, ['crates', 'build'], ['hw/scsi/tape.c', 'hw/scsi/tape.h']) \
            .complaints(page)

    def test_what_is_there(self):
        self.assertEqual(self.complaints(
            'See [this](page.md#part), [that](https://a.b/c), `rust/crate/src/lib.rs`, '
            'rust/*/src, hw/scsi/tape.[ch], `hw/scsi/`, build/anything, a/b, and/or, '
            'the program hw/scsi/tape, `rust/NAME/src`; scripts/check crates build'), [])

    def test_what_is_not(self):
        self.assertEqual(self.complaints('[this](gone.md)'), ['the link to gone.md'])
        self.assertEqual(self.complaints('| `rust/crate/lib.rs` |'),
                         ['the path rust/crate/lib.rs'])
        self.assertEqual(self.complaints('hw/scsi/{tape,disk}.c.'),
                         ['the path hw/scsi/disk.c'])
        self.assertEqual(self.complaints('scripts/check crates guest'),
                         ['the stage guest'])

    def test_numbers_of_patches(self):
        table = '| patches | what |\n|---|---|\n| {} | a |\n| {} | b |\n'

        def said(*rows):
            return self.complaints(table.format(*rows), 'patches/x/README.md')

        self.assertEqual(said('0001', '0002 on'), [])
        self.assertEqual(said('0001 to 0002', '0003'), [])
        self.assertEqual(said('0001, 0002', '0004'),
                         ["patch 0004, which there isn't", 'nothing of patch 0003'])
        self.assertEqual(said('0001 and 0002', '0002 on'), ['patch 0002 in two rows'])


if __name__ == '__main__':
    unittest.main()
