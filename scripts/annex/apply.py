# SPDX-License-Identifier: GPL-2.0-or-later
"""Apply the series, onto our own tree or onto a user's checkout."""

import tempfile
from pathlib import Path

from . import series
from .git import Failure, Git

# In our own tree: the branch as it was last applied or exported. What the
# branch has beyond it is work that patches/ doesn't know.
SAVED = 'refs/annex/saved'


def apply(patches, path, top):
    """Apply onto the checkout at `path`, or, if None, onto build/qemu-src."""
    if path:
        return apply_to_checkout(patches, Git(path), top)
    return apply_to_own(patches, Git(top / 'build/qemu-src'), top)


def files(patches):
    """The patch files in order; stop if the list doesn't fit them."""
    problems = series.problems(patches)
    if problems:
        raise Failure('; '.join(problems))
    return [patches / name for name in series.listed(patches)]


def saved(top):
    """Stop if build/qemu-src holds work that patches/ doesn't know."""
    tree = top / 'build/qemu-src'
    if not tree.exists():
        return 0
    git = Git(tree)
    branch = git.commit('annex')
    if branch and branch != git.commit(SAVED):
        raise Failure(
            'the branch annex in build/qemu-src has commits that patches/ does '
            'not have: `make export` saves them, `git branch -D annex` drops them')
    if git('status', '--porcelain', '--untracked-files=no'):
        raise Failure('build/qemu-src has changes that are not committed')
    return 0


def apply_to_own(patches, git, top):
    """Bring the branch `annex` up to patches/, touching only what changes."""
    todo = files(patches)
    saved(top)
    tip = commit_aside(git, todo)
    if git.commit('annex') != tip or git('rev-parse', '--abbrev-ref', 'HEAD') != 'annex':
        git('checkout', '--quiet', '-B', 'annex', tip)
        print(f'series: {len(todo)} patches applied to build/qemu-src')
    git('update-ref', SAVED, tip)
    return 0


def commit_aside(git, todo):
    """The commit that the patches `todo` make of the base.

    Made in a work tree aside, which holds just the files that they touch: an
    unchanged file keeps its time and isn't compiled again.
    """
    touched = set()
    for patch in todo:
        for line in git('apply', '--numstat', '-z', patch.resolve()).split('\0'):
            touched.add('/' + line.rpartition('\t')[2])
    with tempfile.TemporaryDirectory(dir=git.path.parent) as scrap:
        aside = Git(Path(scrap) / 'tree')
        git('worktree', 'prune')
        git('worktree', 'add', '--quiet', '--no-checkout', '--detach', aside.path,
            'annex-base')
        try:
            aside('sparse-checkout', 'set', '--no-cone', '--', *sorted(touched))
            aside('checkout', '--quiet')
            for patch in todo:
                aside.am(patch)
            return aside.commit('HEAD')
        finally:
            git('worktree', 'remove', '--force', aside.path)


def apply_to_checkout(patches, git, top):
    """Make the branch `annex` in a user's checkout, and the link to us."""
    todo = files(patches)
    if git.commit('annex'):
        raise Failure(f'{git.path} has a branch annex already; rename or delete it')
    if git('status', '--porcelain', '--untracked-files=no'):
        raise Failure(f'{git.path} has changes that are not committed')
    before = git.run('symbolic-ref', '--short', '--quiet', 'HEAD')[1].strip() \
        or git.commit('HEAD')
    start = git.commit(series.base(patches, 'tag')) or git.commit('HEAD')
    git('checkout', '--quiet', '-b', 'annex', start)
    try:
        for patch in todo:
            git.am(patch)
    except Failure:
        git('checkout', '--quiet', before)
        git('branch', '--quiet', '-D', 'annex')
        raise
    link = git.path / 'subprojects/qemu-annex'
    if not link.exists() and not link.is_symlink():
        link.symlink_to(top)
    print(f'series: {len(todo)} patches applied to {git.path} on the branch annex, '
          'and subprojects/qemu-annex links here; now ./configure --enable-annex')
    return 0
