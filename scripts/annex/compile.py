# SPDX-License-Identifier: GPL-2.0-or-later
"""Compile, at a commit of the series, the objects that it touches.

What has compiled needn't again while nothing that goes into it has changed:
patches/compiled records that, and is committed. What goes into it is told by a
hash, see `Compiler.key`.
"""

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

INCLUDE = re.compile(r'#include "([^"]+)"')

HEADER = """\
# The patches whose objects compile, each after a hash of what goes into them.
# `make check-all` writes this; `make check` compiles what isn't here as it is now.
# SPDX-License-Identifier: GPL-2.0-or-later
"""


def recorded(patches):
    """The hashes in patches/compiled, by patch."""
    path = patches / 'compiled'
    lines = path.read_text().splitlines() if path.exists() else []
    return {name: key for key, name in
            (line.split() for line in lines if line and not line.startswith('#'))}


def record(patches, keys):
    """Write patches/compiled."""
    lines = ''.join(f'{key} {name}\n' for name, key in keys.items())
    (patches / 'compiled').write_text(HEADER + lines)


class Compiler:
    """A tree of the series and its build directory beside it.

    Beside each other as build/qemu-src and build/qemu are, so that the two
    builds find each other's objects in the compiler's cache.
    """

    def __init__(self, git, top, base):
        self.git = git
        self.top = top
        self.base = base
        self.build = git.path.parent / 'qemu'
        # What a commit's objects also depend on, and its tree doesn't tell.
        self.outside = [path.read_bytes() for path in
                        (top / 'patches/BASE', Path(__file__)) if path.exists()]
        # The library's headers, by the names under which they are included.
        include = top / 'include'
        self.headers = {str(path.relative_to(include)): path.read_text()
                        for path in include.rglob('*.h')}

    def key(self, commit):
        """A hash of what goes into the objects that a commit touches: of each file
        that the series has changed so far, but for other files of C, which no
        object but their own is made of."""
        own = set(self.git('diff', '--name-only', '--no-renames', f'{commit}^',
                           commit).splitlines())
        lines = self.git('diff-tree', '-r', '--no-renames', '--full-index', self.base,
                         commit).splitlines()
        blobs = {line.partition('\t')[2]: line.split()[3] for line in lines}
        sources = [path for path in blobs if path.endswith('.c')]
        users = self.users(own, commit, sources)
        parts = [f'{path} {blob}'.encode() for path, blob in sorted(blobs.items())
                 if path in own or path in users
                 or not (path.endswith('.c') or path.startswith('docs/')
                         or path == 'MAINTAINERS')]
        # Which files the commit touches, even if it leaves one as the base has it.
        parts += [path.encode() for path in sorted(own)]
        new = {path for path, line in zip(blobs, lines) if line.split()[4] == 'A'}
        for name in sorted(self.library(own | users, commit, blobs, new)):
            parts += [name.encode(), self.headers[name].encode()]
        digest = hashlib.sha256()
        for part in self.outside + parts:
            digest.update(len(part).to_bytes(8, 'big') + part)
        return digest.hexdigest()[:32]

    def library(self, sources, commit, blobs, new):
        """The library's headers that `sources` may include, themselves or through
        the headers among `blobs`, the files that the series has changed so far.

        What the series hasn't changed can include none through a `new` header, so
        that only changed files need be looked at. It can through another one: then
        they are all of them."""
        headers = [path for path in blobs if path.endswith(('.h', '.inc'))]
        through = found = {path for path, names
                           in self.includes(headers, commit).items()
                           if any(name.startswith('qemu-annex') for name in names)}
        while found:
            found = self.users(found, commit, headers) - through
            through = through | found
        if not through <= new:
            return set(self.headers)
        names = self.includes(set(sources) | through, commit)
        wanted, todo, seen = set(), list(sources), set()
        while todo:
            path = todo.pop()
            if path in seen:
                continue
            seen.add(path)
            if path in self.headers:
                wanted.add(path)
                included = INCLUDE.findall(self.headers[path])
            else:
                included = names.get(path, [])
            for name in included:
                todo += [name] if name in self.headers else \
                    [path for path in through if Path(path).name == Path(name).name]
        return wanted

    def includes(self, paths, commit):
        """The names that files include, by path."""
        found = {}
        if paths:
            for line in self.git.run('grep', '#include "', commit, '--',
                                     *paths)[1].splitlines():
                _, path, text = line.split(':', 2)
                found.setdefault(path, []).extend(INCLUDE.findall(text))
        return found

    def check(self, commit):
        """Complaints about a commit."""
        self.git('checkout', '--quiet', '--detach', commit)
        return self.configure() or self.compile(commit)

    def run(self, *command, log='series-compile'):
        """Run a command; complain with its last lines if it fails."""
        path = self.top / f'build/log/{log}.log'
        # As scripts/common.sh has it, for the compiler's cache.
        env = os.environ | {'CCACHE_BASEDIR': str(self.top), 'CCACHE_NOHASHDIR': '1',
                            'CCACHE_DEPEND': '1'}
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
        sources = set(changed) | self.users(changed, commit, ['*.c'])
        for path in map(Path, changed):
            if path.name == 'trace-events':
                sources.add(f'trace/trace-{"_".join(path.parent.parts)}.c')
            elif path.suffix == '.json' and path.parts[0] == 'qapi':
                sources |= {f'qapi/qapi-{kind}-{path.stem}.c' for kind in
                            ('types', 'visit', 'commands', 'events')}
        return sources

    def users(self, changed, commit, among):
        """Of `among`, the files that include one of the headers in `changed`."""
        headers = {path.with_suffix('.h').name if path.suffix == '.hx' else path.name
                   for path in map(Path, changed) if path.suffix in ('.h', '.inc', '.hx')}
        if not headers or not among:
            return set()
        names = '|'.join(map(re.escape, sorted(headers)))
        found = self.git.run('grep', '--name-only', '--extended-regexp',
                             f'#include "([^"]*/)?({names})"', commit, '--', *among)[1]
        return {line.partition(':')[2] for line in found.splitlines()}

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
