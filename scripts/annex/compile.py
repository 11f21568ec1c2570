# SPDX-License-Identifier: GPL-2.0-or-later
"""Compile, at a commit of the series, the objects that it touches."""

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path


class Compiler:
    """A tree of the series and its build directory beside it.

    Beside each other as build/qemu-src and build/qemu are, so that the two
    builds find each other's objects in the compiler's cache.
    """

    def __init__(self, git, top):
        self.git = git
        self.top = top
        self.build = git.path.parent / 'qemu'
        self.passed = git.path.parent / 'compiled'
        # What a commit's objects also depend on, and its hash doesn't tell.
        headers = sorted((top / 'include').rglob('*.h'))
        self.header = hashlib.sha256(
            b''.join(path.read_bytes() for path in headers)).hexdigest()[:12]

    def check(self, commit):
        """Complaints about a commit. What has passed once isn't done again."""
        stamp = self.passed / f'{commit}-{self.header}'
        if stamp.exists():
            return []
        self.git('checkout', '--quiet', '--detach', commit)
        complaints = self.configure() or self.compile(commit)
        if not complaints:
            self.passed.mkdir(exist_ok=True)
            stamp.touch()
        return complaints

    def run(self, *command, log='series-compile'):
        """Run a command; complain with its last lines if it fails."""
        path = self.top / f'build/log/{log}.log'
        # As scripts/common.sh has it, for the compiler's cache.
        env = os.environ | {'CCACHE_BASEDIR': str(self.top), 'CCACHE_NOHASHDIR': '1'}
        with path.open('w') as file:
            done = subprocess.run(command, stdout=file, stderr=file, env=env,
                                  check=False)
        if done.returncode == 0:
            return []
        last = [line[:300] for line in path.read_text().splitlines()[-25:]]
        return last + [f'all of it is in {path}']

    def configure(self):
        """Have the build directory know the tree as it is now."""
        if (self.build / 'build.ninja').exists() and \
                not self.run('ninja', '-C', self.build, 'build.ninja'):
            return []
        tree = self.git.path
        link = tree / 'subprojects/qemu-annex'
        if not link.is_symlink():
            link.symlink_to(self.top)
        (self.build / 'configured').unlink(missing_ok=True)
        return self.run(self.top / 'scripts/base', '--complement', tree) or \
            self.run(self.top / 'scripts/build', '--configure', tree, self.build)

    def compile(self, commit):
        outputs = self.outputs(self.touched(commit))
        if not outputs:
            return []
        return self.run('ninja', '-C', self.build, '-k', '0', *outputs)

    def touched(self, commit):
        """Sources to compile: those that the commit changes, and those that
        use what it changes directly."""
        changed = self.git('diff', '--name-only', '--diff-filter=d',
                           f'{commit}^', commit).splitlines()
        sources = set(changed)
        for path in map(Path, changed):
            if path.suffix in ('.h', '.inc', '.hx'):
                header = path.with_suffix('.h') if path.suffix == '.hx' else path
                sources |= self.includers(header.name)
            elif path.name == 'trace-events':
                sources.add(f'trace/trace-{"_".join(path.parent.parts)}.c')
            elif path.suffix == '.json' and path.parts[0] == 'qapi':
                sources |= {f'qapi/qapi-{kind}-{path.stem}.c' for kind in
                            ('types', 'visit', 'commands', 'events')}
        return sources

    def includers(self, header):
        pattern = rf'#include "([^"]*/)?{re.escape(header)}"'
        return set(self.git.run('grep', '--name-only', '--extended-regexp',
                                pattern, '--', '*.c')[1].splitlines())

    def outputs(self, sources):
        """The objects that are made of `sources`, in the tree or generated, and
        go into something: others may want what isn't there."""
        commands = json.loads((self.build / 'compile_commands.json').read_text())
        roots = self.git.path.resolve(), self.build.resolve()
        wanted = {str(root / source) for source in sources for root in roots}
        needed = set(subprocess.run(
            ['ninja', '-C', self.build, '-t', 'inputs', 'all'], text=True,
            stdout=subprocess.PIPE, check=True).stdout.splitlines())
        return sorted(
            command['output'] for command in commands
            if str((Path(command['directory']) / command['file']).resolve()) in wanted
            and command['output'] in needed)
