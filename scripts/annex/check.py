# SPDX-License-Identifier: GPL-2.0-or-later
"""Check the series, in a clone of its base, and print what was found as TAP."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import export, series
from .compile import Compiler, record, recorded
from .git import Failure, Git


class Tap:
    """Counts tests and prints a line for each as it is known."""

    def __init__(self):
        self.count = self.failed = 0

    def test(self, what, complaints, skip=None):
        """A test named `what`, which passed if there are no complaints, and was
        left out if there is a reason to `skip` it."""
        self.count += 1
        print(f'{"not ok" if complaints else "ok"} {self.count} - {what}'
              + (f' # SKIP {skip}' if skip else ''))
        for line in '\n'.join(complaints).splitlines():
            print(f'#   {line}')
        self.failed += bool(complaints)
        print(end='', flush=True)
        return not complaints

    def done(self):
        print(f'1..{self.count}')
        return 1 if self.failed else 0


def check(patches, path, top, compile_too=True, everything=False, write=False,
          compiler=None):
    """Check `patches` against the base that is in the repository `path`.

    With `everything`, patches are compiled that are recorded as compiled, too; with
    `write`, the record is brought up to date."""
    tap = Tap()
    if not tap.test('every patch is listed once', series.problems(patches)):
        return tap.done()
    names = series.listed(patches)
    git = clone(patches, (path or top / 'build/qemu-src').resolve(),
                top / 'build/check/qemu-src')
    base = git.commit('HEAD')
    for name in names:
        if not tap.test(f'{name} applies, no line off', apply(git, patches / name)):
            return tap.done()
    commits = git.commits(base, 'HEAD')
    round_trip(tap, git, commits, patches, names)
    for name in names:
        tap.test(f'{name} passes checkpatch', checkpatch(git.path, patches / name))
    if compile_too:
        compiler = compiler or Compiler(git, top, base)
        now = compile_all(tap, compiler, patches, dict(zip(names, commits)), everything,
                          write)
        if write:
            record(patches, now)
    return tap.done()


def compile_all(tap, compiler, patches, commits, everything, write):
    """Compile what isn't recorded in patches/compiled, or everything; give back
    what is to be recorded now. With `write`, what is cut off goes on there."""
    before, now = recorded(patches), {}
    for name, commit in commits.items():
        what, key = f'{name} compiles what it touches', compiler.key(commit)
        if before.get(name) == key and not everything:
            tap.test(what, [], skip='it did, and nothing of it has changed since: '
                     'patches/compiled')
        elif not tap.test(what, compiler.check(commit)):
            continue
        now[name] = key
        if write:
            record(patches, before | now)
    return now


def clone(patches, origin, path):
    """A clone of `origin` at the base, for us alone; kept for the next time."""
    source = Git(origin)
    base = source.commit(export.base_of(source, patches))
    if path.exists() and Git(path).run('config', 'remote.origin.url')[1].strip() \
            != str(origin):
        shutil.rmtree(path)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        Git(path.parent)('clone', '--quiet', '--shared', '--no-checkout',
                         origin, path)
    git = Git(path)
    git.run('am', '--abort')
    git('fetch', '--quiet', 'origin', base)
    git('checkout', '--quiet', '--force', '--detach', base)
    return git


def apply(git, patch):
    """Apply a patch; complain unless each hunk fits where it says."""
    _, text = git.run('apply', '--check', '--verbose', patch.resolve())
    moved = [line for line in text.splitlines()
             if re.search(r'offset|fuzz|[Cc]ontext reduced', line)]
    if moved:
        return moved
    try:
        git.am(patch)
    except Failure as failure:
        return [str(failure)]
    return []


def round_trip(tap, git, commits, patches, names):
    """Export the commits made of the patches and compare, byte for byte."""
    with tempfile.TemporaryDirectory() as scrap:
        out = Path(scrap)
        try:
            export.write(git, commits, series.folder_by_subject(patches), out)
        except KeyError as subject:
            tap.test('the export has every patch',
                     [f'a commit came back with another subject: {subject}'])
            return
        for name in ['series'] + names:
            same = (out / name).is_file() and \
                (out / name).read_bytes() == (patches / name).read_bytes()
            tap.test(f'{name} comes back byte for byte',
                     [] if same else [f'`make export` gives another {name}'])


# Folders of headers that are copies of Linux'. checkpatch.pl warns of any change to
# them, and that MAINTAINERS isn't changed by the same patch, which it forbids.
FROM_LINUX = ('include/standard-headers/', 'linux-headers/')


def checkpatch(tree, patch):
    """What QEMU's checkpatch.pl says, but for the sign-off."""
    done = subprocess.run(
        ['perl', 'scripts/checkpatch.pl', '--no-signoff', '-q', patch.resolve()],
        cwd=tree, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        check=False)
    files = re.findall(r'^diff --git a/(\S+)', patch.read_text(), re.MULTILINE)
    if done.returncode == 0 and files and \
            all(file.startswith(FROM_LINUX) for file in files):
        return []
    said = done.stdout.strip().splitlines()
    return said or (['checkpatch.pl failed'] if done.returncode else [])
