# SPDX-License-Identifier: GPL-2.0-or-later
"""Counting: what is in a log is what is told, and what doesn't add up fails."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from suite import results  # noqa: E402

LIBTEST = """\
   Compiling tape-drive v0.1.0
     Running unittests src/lib.rs (build/cargo/debug/deps/tape_drive-0123456789abcdef)

running 2 tests
test sense::tests::deferred ... ok
ok 7 - what a test prints counts for nothing
test slow ... ignored, it takes an hour

test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.21s

     Running tests/motion.rs (build/cargo/debug/deps/motion-0123456789abcdef)

running 2 tests
test forward ... FAILED
test backward ... ok

failures:

---- forward stdout ----

thread 'forward' panicked at tests/motion.rs:7:5:
wrong

failures:
    forward

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s

   Doc-tests tape_drive

running 1 test
test src/lib.rs - (line 9) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.50s

"""

MIMIC = """\
     Running src/main.rs (build/cargo/debug/deps/guest-0123456789abcdef)

running 3 tests
test [check-all] boot/long   ... ignored (it takes an hour)
test boot/kvm                ... ignored (no KVM here)
test boot/tcg                ... FAILED

failures:

---- boot/tcg ----
OUT OF TIME: no answer

failures:
    boot/tcg

test result: FAILED. 0 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 9.00s

slow: 8.5 s: boot/tcg
"""


def program(*lines, status=0, name='a-test'):
    return '\n'.join([results.began(name), *lines, results.ended(name, status, 2.5), ''])


class Counting(unittest.TestCase):
    def read(self, form, text, status=0):
        """Results, and their sums as (passed, failed, skipped)."""
        found = results.read(form, text, status, 'stage')
        counts = tuple(map(found.total, ('passed', 'failed', 'skipped')))
        self.assertEqual(bool(found.failures), counts[1] > 0, found.failures)
        return found, counts

    def counts(self, form, text, status=0):
        return self.read(form, text, status)[1]


class Libtest(Counting):
    def test_programs_and_their_times(self):
        found, counts = self.read('libtest', LIBTEST, 101)
        self.assertEqual(counts, (3, 1, 1))
        self.assertEqual([(p.name, p.passed, p.failed, p.skipped, p.seconds)
                          for p in found.programs],
                         [('tape_drive', 1, 0, 1, 0.21),
                          ('tape_drive: motion', 1, 1, 0, 1.5),
                          ('tape_drive: doc tests', 1, 0, 0, 0.5)])
        self.assertEqual(found.skips, [('slow', 'it takes an hour')])
        self.assertEqual(found.failures,
                         ["forward: thread 'forward' panicked at tests/motion.rs:7:5:"])

    def test_guest_trials(self):
        found, counts = self.read('libtest', MIMIC, 101)
        self.assertEqual(counts, (0, 1, 2))
        self.assertEqual(found.programs[0].name, 'guest')
        self.assertEqual(found.skips, [('boot/long', 'it takes an hour'),
                                       ('boot/kvm', 'no KVM here')])
        self.assertEqual(found.failures, ['boot/tcg: OUT OF TIME: no answer'])
        self.assertEqual(found.slowest, [(8.5, 'boot/tcg')])

    def test_a_program_that_dies_is_a_failure_beside_those_of_others(self):
        died = LIBTEST.replace('test result: ok. 1 passed; 0 failed; 1 ignored', 'killed')
        self.assertEqual(self.counts('libtest', died, 101), (2, 2, 0))

    def test_a_last_program_that_dies_is_a_failure(self):
        died = LIBTEST.rpartition('test result')[0]
        self.assertEqual(self.counts('libtest', died, 101)[1], 2)

    def test_what_does_not_compile_is_a_failure(self):
        found, counts = self.read('libtest', 'error: could not compile `x`\n', 101)
        self.assertEqual(counts, (0, 1, 0))
        self.assertIn('could not compile', found.failures[0])

    def test_a_bad_status_without_a_failed_test_is_a_failure(self):
        good = LIBTEST.replace('FAILED. 1 passed; 1 failed', 'ok. 2 passed; 0 failed') \
            .replace('test forward ... FAILED', 'test forward ... ok') \
            .replace('---- forward stdout ----', '')
        self.assertEqual(self.counts('libtest', good), (4, 0, 1))
        self.assertEqual(self.counts('libtest', good, 1), (4, 1, 1))

    def test_no_test_is_a_failure(self):
        self.assertEqual(self.counts('libtest', '   Compiling x\n'), (0, 1, 0))


class Tap(Counting):
    def test_programs(self):
        text = program('1..3', 'ok 1 /a/b', 'ok 2 - c # SKIP no such thing', 'ok 3 - d') \
            + program('ok 1 - x', 'not ok 2 - y', '#   so bad', '1..2', status=1, name='other')
        found, counts = self.read('tap', text, 1)
        self.assertEqual(counts, (3, 1, 1))
        self.assertEqual(found.skips, [('c', 'no such thing')])
        self.assertEqual(found.failures, ['other: y: so bad'])
        self.assertEqual([p.seconds for p in found.programs], [2.5, 2.5])

    def test_tests_that_did_not_come(self):
        self.assertEqual(self.counts('tap', program('1..3', 'ok 1 - a')), (1, 1, 0))

    def test_no_plan(self):
        self.assertEqual(self.counts('tap', program('ok 1 - a')), (1, 1, 0))

    def test_a_crash_after_good_tests(self):
        text = program('1..2', 'ok 1 - a', 'ok 2 - b', status=-11)
        self.assertEqual(self.counts('tap', text, 1), (2, 1, 0))

    def test_bail_out(self):
        text = program('1..1', 'Bail out! no memory', status=1)
        self.assertEqual(self.counts('tap', text, 1), (0, 1, 0))

    def test_a_program_cut_off(self):
        text = results.began('a-test') + '\n1..2\nok 1 - a\n'
        self.assertEqual(self.counts('tap', text, 1), (1, 1, 0))

    def test_words_that_only_begin_like_it(self):
        text = program('1..1', '# ok 2 - a comment', 'okay', 'ok 1 - a', 'not okay at all')
        self.assertEqual(self.counts('tap', text), (1, 0, 0))

    def test_no_program_is_a_failure(self):
        self.assertEqual(self.counts('tap', 'ok 1 - outside of a program\n'), (0, 1, 0))


class Unittest(Counting):
    def test_good(self):
        text = 'test_a (x.Y.test_a) ... ok\n\nRan 24 tests in 1.5s\n\nOK (skipped=2)\n'
        self.assertEqual(self.counts('unittest', text), (22, 0, 2))

    def test_bad(self):
        text = 'ERROR: test_a (x.Y)\nFAIL: test_b (x.Y)\n' \
            'Ran 4 tests in 0.1s\n\nFAILED (failures=1, errors=1)\n'
        self.assertEqual(self.counts('unittest', text, 1), (2, 2, 0))

    def test_none(self):
        self.assertEqual(self.counts('unittest', '\nRan 0 tests in 0.0s\n\nOK\n'), (0, 1, 0))
        self.assertEqual(self.counts('unittest', 'SyntaxError\n', 1), (0, 1, 0))


class Plain(Counting):
    def test_the_exit_status_is_the_result(self):
        self.assertEqual(self.counts('plain', 'test result: nonsense\n'), (1, 0, 0))
        found, counts = self.read('plain', 'a\nbad style\n\n', 3)
        self.assertEqual(counts, (0, 1, 0))
        self.assertEqual(found.failures, ['stage: exit status 3: bad style'])


if __name__ == '__main__':
    unittest.main()
