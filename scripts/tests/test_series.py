# SPDX-License-Identifier: GPL-2.0-or-later
"""The series tool on small repositories, each made to have one fault."""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from annex import apply, check, compile, export, series  # noqa: E402
from annex.git import Failure, Git  # noqa: E402

# Complains about the word BAD in an added line, as the real one might.
CHECKPATCH = r"""
open my $patch, '<', $ARGV[-1] or die;
while (<$patch>) { print "WARNING: bad\n" if /^\+.*BAD/ }
"""

IDENTITY = {f'GIT_{who}_{what}': value
            for who in ('AUTHOR', 'COMMITTER')
            for what, value in (('NAME', 'A Hacker'), ('EMAIL', 'a@localhost'))}


class SeriesTest(unittest.TestCase):
    """A base with one file of 40 lines and a header, and a series of two patches in two
    folders, exported from the branch annex."""

    def setUp(self):
        scrap = tempfile.TemporaryDirectory()
        self.addCleanup(scrap.cleanup)
        os.environ.update(IDENTITY)
        self.top = Path(scrap.name)
        self.patches = self.top / 'patches'
        tree = self.top / 'build/qemu-src'
        self.git = Git(tree)
        self.file = tree / 'file.c'
        (tree / 'scripts').mkdir(parents=True)
        for folder in 'core', 'feature':
            (self.patches / folder).mkdir(parents=True)
            (self.patches / folder / 'README.md').touch()
        (self.patches / 'BASE').write_text('tag = v1\n')
        (self.patches / 'series').touch()

        subprocess.run(['git', 'init', '-q', '-b', 'base', tree], check=True)
        (tree / 'scripts/checkpatch.pl').write_text(CHECKPATCH)
        self.file.write_text(''.join(f'line {n}\n' for n in range(40)))
        (tree / 'base.h').touch()
        self.commit('base')
        self.git('tag', 'annex-base')
        self.git('checkout', '-q', '-b', 'annex')
        self.edit(10, 'ten')
        self.commit('file: make ten')
        self.export('core')
        self.edit(30, 'thirty')
        self.commit('file: make thirty')
        self.export('feature')

    def edit(self, number, text):
        lines = self.file.read_text().splitlines()
        lines[number] = text
        self.file.write_text(''.join(f'{line}\n' for line in lines))

    def commit(self, message):
        self.git('add', '-A')
        self.git('commit', '-q', '-m', message)

    def quietly(self, call, *args, **options):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            result = call(*args, **options)
        return result, said.getvalue()

    def export(self, folder=None):
        return self.quietly(export.export, self.git.path, self.patches, folder)

    def check(self):
        """What the checker says about the tests that fail."""
        code, said = self.quietly(check.check, self.patches, None, self.top,
                                  compile_too=False)
        failed = [line.partition(' - ')[2] for line in said.splitlines()
                  if line.startswith('not ok')]
        self.assertEqual(code, 1 if failed else 0)
        return failed

    def patch(self, name):
        path, = self.patches.glob(name)
        return path

    def replace(self, path, old, new):
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))


class Check(SeriesTest):
    def test_a_good_series_passes(self):
        self.assertEqual(series.listed(self.patches), [
            'core/0001-file-make-ten.patch', 'feature/0001-file-make-thirty.patch'])
        self.assertEqual(self.check(), [])

    def test_a_patch_listed_twice(self):
        with (self.patches / 'series').open('a') as file:
            file.write('feature/0001-file-make-thirty.patch\n')
        self.assertEqual(self.check(), ['every patch is listed once'])

    def test_a_file_not_listed(self):
        (self.patches / 'feature/0002-more.patch').touch()
        self.assertEqual(self.check(), ['every patch is listed once'])

    def test_a_listed_file_not_there(self):
        self.patch('feature/*.patch').unlink()
        self.assertEqual(self.check(), ['every patch is listed once'])

    def test_folders_interleaved(self):
        with (self.patches / 'series').open('a') as file:
            file.write('core/0002-again.patch\n')
        (self.patches / 'core/0002-again.patch').touch()
        self.assertEqual(self.check(), ['every patch is listed once'])

    def test_a_folder_without_readme(self):
        (self.patches / 'feature/README.md').unlink()
        self.assertEqual(self.check(), ['every patch is listed once'])

    def test_context_that_differs(self):
        self.replace(self.patch('core/*.patch'), '\n line 9\n', '\n line nine\n')
        self.assertEqual(self.check(),
                         ['core/0001-file-make-ten.patch applies, no line off'])

    def test_lines_that_moved(self):
        self.replace(self.patch('core/*.patch'), '@@ -8,7 +8,7 @@', '@@ -9,7 +9,7 @@')
        self.assertEqual(self.check(),
                         ['core/0001-file-make-ten.patch applies, no line off'])

    def test_a_patch_that_comes_back_otherwise(self):
        with self.patch('feature/*.patch').open('a') as file:
            file.write('-- \n2.39.5\n')
        self.assertEqual(
            self.check(),
            ['feature/0001-file-make-thirty.patch comes back byte for byte'])

    def test_a_subject_that_comes_back_otherwise(self):
        self.replace(self.patch('feature/*.patch'),
                     'Subject: [PATCH] file', 'Subject: [PATCH v2] file')
        self.assertEqual(self.check(), ['the export has every patch'])

    def test_a_file_name_that_is_not_the_subject(self):
        old = self.patch('core/*.patch')
        old.rename(old.with_name('0001-other.patch'))
        self.replace(self.patches / 'series', old.name, '0001-other.patch')
        self.assertEqual(self.check(), ['series comes back byte for byte',
                                        'core/0001-other.patch comes back byte for byte'])

    def test_bad_style(self):
        self.edit(20, 'BAD')
        self.commit('file: make twenty bad')
        self.export('feature')
        self.assertEqual(self.check(),
                         ['feature/0002-file-make-twenty-bad.patch passes checkpatch'])

    def test_style_of_what_is_not_ours(self):
        copied = self.file.parent / 'include/standard-headers/linux/a.h'
        copied.parent.mkdir(parents=True)
        copied.write_text('BAD\n')
        self.git('add', '--all')
        self.commit('standard-headers: add a.h')
        self.export('feature')
        self.assertEqual(self.check(), [])


class FakeCompiler(compile.Compiler):
    """Compiles nothing, and says which commits it was asked for."""

    asked, bad = (), ()

    def check(self, commit):
        subject = self.git('show', '--no-patch', '--format=%s', commit)
        self.asked += (subject,)
        return ['broken'] if subject in self.bad else []


class Compile(SeriesTest):
    """What is compiled, and what patches/compiled says of it."""

    def setUp(self):
        super().setUp()
        (self.top / 'include').mkdir()
        self.write('header.h', 'int a;\n')
        self.commit('header: new')
        self.write('user.c', '#include "header.h"\n')
        self.commit('user: use the header')
        self.write('docs/page', 'a\n')
        self.commit('docs: say so')
        self.export('feature')
        self.record()

    def write(self, name, text):
        path = self.git.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def compile(self, bad=(), **options):
        """The subjects that are compiled, and what fails or is left out."""
        git = Git(self.top / 'build/check/qemu-src')
        compiler = FakeCompiler(git, self.top, 'annex-base')
        compiler.bad = bad
        code, said = self.quietly(check.check, self.patches, None, self.top,
                                  compiler=compiler, **options)
        said = [line for line in said.splitlines() if 'compiles what' in line]
        self.assertEqual(code, 1 if bad else 0)
        return list(compiler.asked), sum('# SKIP' in line for line in said)

    def record(self, **options):
        return self.compile(write=True, **options)

    def amend(self, name, text, subject):
        """Change a file in the commit of that subject."""
        tip = self.git.commit('HEAD')
        commits = self.git.commits('annex-base', tip)
        subjects = [self.git('show', '--no-patch', '--format=%s', c) for c in commits]
        at = subjects.index(subject)
        self.git('reset', '-q', '--hard', commits[at])
        self.write(name, text)
        self.git('add', '-A')
        self.git('commit', '-q', '--amend', '--no-edit')
        for commit in commits[at + 1:]:
            self.git('cherry-pick', commit)
        self.export('feature')

    def test_nothing_that_is_recorded(self):
        self.assertEqual(self.compile(), ([], 5))

    def test_everything_if_asked_for(self):
        asked, left_out = self.compile(everything=True)
        self.assertEqual((len(asked), left_out), (5, 0))

    def test_everything_without_a_record(self):
        (self.patches / 'compiled').unlink()
        self.assertEqual(len(self.compile()[0]), 5)

    def test_a_patch_that_changed_and_what_uses_its_header(self):
        self.amend('header.h', 'int b;\n', 'header: new')
        self.assertEqual(self.compile()[0], ['header: new', 'user: use the header',
                                             'docs: say so'])

    def test_a_source_that_changed_is_nobody_elses(self):
        self.amend('file.c', 'line\n', 'file: make thirty')
        self.assertEqual(self.compile()[0], ['file: make thirty'])

    def library(self, **headers):
        """Write headers of the library."""
        (self.top / 'include/qemu-annex').mkdir(exist_ok=True)
        (self.top / 'include/qemu-annex.h').write_text('#include "qemu-annex/a.h"\n')
        for name, text in headers.items():
            (self.top / f'include/qemu-annex/{name}.h').write_text(text)

    def test_a_header_of_the_library_is_of_those_who_include_it(self):
        self.library(a='#include "qemu-annex/b.h"\n', b='int b;\n', c='int c;\n')
        self.amend('user.c', '#include "qemu-annex.h"\n', 'user: use the header')
        self.record()
        self.library(b='long b;\n')
        self.assertEqual(self.record()[0], ['user: use the header'])
        self.library(c='long c;\n')
        self.assertEqual(self.compile()[0], [])

    def test_the_library_through_a_header_of_the_series(self):
        self.library(a='int a;\n')
        self.amend('header.h', '#include "qemu-annex/a.h"\n', 'header: new')
        self.record()
        self.library(a='long a;\n')
        self.assertEqual(self.compile()[0], ['header: new', 'user: use the header'])

    def test_the_library_through_a_header_of_the_base(self):
        self.library(a='int a;\n')
        self.amend('base.h', '#include "qemu-annex/a.h"\n', 'header: new')
        self.record()
        self.library(c='int c;\n')
        # Who includes base.h isn't known.
        self.assertEqual(self.compile()[0], ['header: new', 'user: use the header',
                                             'docs: say so'])

    def test_what_fails_is_not_recorded(self):
        asked, _ = self.record(everything=True, bad=('header: new',))
        self.assertEqual(len(asked), 5)
        self.assertEqual(self.compile(), (['header: new'], 4))
        # And is compiled until it is recorded.
        self.assertEqual(self.record(), (['header: new'], 4))
        self.assertEqual(self.compile(), ([], 5))


class Export(SeriesTest):
    def test_a_new_commit_needs_a_folder(self):
        self.edit(20, 'twenty')
        self.commit('file: make twenty')
        with self.assertRaisesRegex(Failure, 'file: make twenty'):
            self.export()
        self.assertEqual(len(series.listed(self.patches)), 2)

    def test_a_known_commit_keeps_its_folder(self):
        self.edit(30, 'XXX')
        self.git('add', '-A')
        self.git('commit', '-q', '--amend', '--no-edit')
        self.export()
        self.assertIn('+XXX', self.patch('feature/*.patch').read_text())

    def test_a_commit_that_is_gone_takes_its_patch_along(self):
        self.git('reset', '-q', '--hard', 'HEAD^')
        self.export()
        self.assertEqual(series.listed(self.patches),
                         ['core/0001-file-make-ten.patch'])
        self.assertEqual(list(self.patches.glob('feature/*.patch')), [])

    def test_two_commits_of_one_subject(self):
        self.edit(20, 'twenty')
        self.commit('file: make thirty')
        with self.assertRaisesRegex(Failure, 'two commits have the subject'):
            self.export()

    def test_a_users_configuration_changes_nothing(self):
        before = self.patch('core/*.patch').read_bytes()
        for key, value in {'diff.noprefix': 'true', 'diff.context': '9',
                           'format.signature': 'me', 'format.signOff': 'true',
                           'core.abbrev': '7', 'format.subjectPrefix': 'X',
                           'format.suffix': '.txt', 'format.attach': 'x'}.items():
            self.git('config', key, value)
        self.export()
        self.assertEqual(self.patch('core/*.patch').read_bytes(), before)


class Apply(SeriesTest):
    def test_the_branch_comes_back(self):
        content = self.file.read_text()
        self.git('checkout', '-q', 'base')
        self.git('branch', '-q', '-D', 'annex')
        self.quietly(apply.apply, self.patches, None, self.top)
        self.assertEqual(self.file.read_text(), content)

    def test_unchanged_files_keep_their_time(self):
        self.quietly(apply.apply, self.patches, None, self.top)
        before = self.file.stat().st_mtime_ns
        self.git('checkout', '-q', '-b', 'elsewhere')
        self.quietly(apply.apply, self.patches, None, self.top)
        self.assertEqual(self.file.stat().st_mtime_ns, before)

    def test_work_that_was_not_exported_is_kept(self):
        self.edit(20, 'twenty')
        self.commit('file: make twenty')
        with self.assertRaisesRegex(Failure, 'make export'):
            apply.apply(self.patches, None, self.top)

    def test_what_is_saved(self):
        self.assertEqual(apply.saved(self.top), 0)
        self.edit(20, 'twenty')
        self.commit('file: make twenty')
        with self.assertRaisesRegex(Failure, 'make export'):
            apply.saved(self.top)

    def test_changes_that_were_not_committed_are_kept(self):
        self.edit(20, 'twenty')
        with self.assertRaisesRegex(Failure, 'not committed'):
            apply.apply(self.patches, None, self.top)

    def checkout(self):
        """Somebody's checkout of the base."""
        path = self.top / 'checkout'
        self.git('clone', '-q', '-b', 'base', self.git.path, path)
        (path / 'subprojects').mkdir()
        git = Git(path)
        git('tag', 'v1')
        return git

    def test_a_users_checkout_gets_a_branch_and_a_link(self):
        git = self.checkout()
        self.quietly(apply.apply, self.patches, git.path, self.top)
        self.assertEqual(git('rev-parse', '--abbrev-ref', 'HEAD'), 'annex')
        self.assertEqual((git.path / 'file.c').read_text(), self.file.read_text())
        self.assertEqual((git.path / 'subprojects/qemu-annex').resolve(),
                         self.top.resolve())
        with self.assertRaisesRegex(Failure, 'a branch annex already'):
            apply.apply(self.patches, git.path, self.top)

    def test_a_users_checkout_is_as_before_if_a_patch_fails(self):
        git = self.checkout()
        self.replace(self.patch('feature/*.patch'), '\n line 29\n', '\n line X\n')
        with self.assertRaisesRegex(Failure, 'feature/.* does not apply'):
            apply.apply(self.patches, git.path, self.top)
        self.assertEqual(git('rev-parse', '--abbrev-ref', 'HEAD'), 'base')
        self.assertIsNone(git.commit('annex'))


if __name__ == '__main__':
    unittest.main()
