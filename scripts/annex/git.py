# SPDX-License-Identifier: GPL-2.0-or-later
"""Git that does the same for everyone, whatever their configuration says."""

import os
import subprocess


class Failure(Exception):
    """What a user did or found can't go on; the message says what to do."""


# A repository's own configuration is read in spite of the environment below.
OVERRIDES = {
    'am.threeWay': 'false',
    'commit.gpgSign': 'false',
    'core.abbrev': 'auto',
    'core.autocrlf': 'false',
    'core.hooksPath': '/dev/null',
    'core.quotePath': 'true',
    'diff.algorithm': 'default',
    'diff.context': '3',
    'diff.interHunkContext': '0',
    'diff.mnemonicPrefix': 'false',
    'diff.noPrefix': 'false',
    'diff.orderFile': '/dev/null',
    'format.encodeEmailHeaders': 'true',
    'format.from': 'false',
    'format.notes': 'false',
    'format.signOff': 'false',
    'format.suffix': '.patch',
    'format.thread': 'false',
    'format.useAutoBase': 'false',
    # QEMU is many loose objects; packing them would take minutes, unasked.
    'gc.auto': '0',
}


class Git:
    """A repository, or a work tree of one."""

    def __init__(self, path):
        self.path = path
        self.command = ['git', '-C', str(path)]
        for key, value in OVERRIDES.items():
            self.command += ['-c', f'{key}={value}']
        # A user's checkout may be another user's. He named it: that will do.
        self.command += ['-c', f'safe.directory={path}']
        self.env = os.environ | {
            'GIT_CONFIG_GLOBAL': '/dev/null',
            'GIT_CONFIG_SYSTEM': '/dev/null',
            # Commits made from one patch have one hash everywhere.
            'GIT_COMMITTER_NAME': 'QEMU Annex',
            'GIT_COMMITTER_EMAIL': 'annex@localhost',
        }

    def run(self, *args):
        """Run git; give back whether it succeeded, and all it printed."""
        done = subprocess.run([*self.command, *map(str, args)], env=self.env,
                              text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        return done.returncode == 0, done.stdout

    def __call__(self, *args):
        """Run git; give back its output without the last newline."""
        done = subprocess.run([*self.command, *map(str, args)], env=self.env,
                              text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise Failure(f'git {" ".join(map(str, args))} in {self.path}: '
                          f'{done.stderr.strip()}')
        return done.stdout.rstrip('\n')

    def commit(self, name):
        """The hash of the commit that `name` means, or None."""
        found, text = self.run('rev-parse', '--verify', '--quiet',
                               f'{name}^{{commit}}')
        return text.strip() if found else None

    def commits(self, base, tip):
        """The commits after `base` up to `tip`, oldest first."""
        return self('rev-list', '--reverse', f'{base}..{tip}').split()

    def am(self, patch):
        """Apply a patch file with `git am`; stop with its message."""
        good, text = self.run('am', '--quiet', '--committer-date-is-author-date',
                              patch.resolve())
        if not good:
            self.run('am', '--abort')
            raise Failure(f'{patch.parent.name}/{patch.name} does not apply to '
                          f'{self.path}:\n{text}'
                          'docs/next-qemu.md says how to solve conflicts.')
