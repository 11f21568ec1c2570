# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the branch's commits into patches/.

A commit goes into the folder that has its subject's patch already; one whose
subject is new goes into the folder that the user names.
"""

import shutil
import tempfile
from pathlib import Path

from . import series
from .apply import SAVED
from .git import Failure, Git

FORMAT = ['format-patch', '-1', '--zero-commit', '--no-signature',
          '--no-numbered', '--full-index', '--no-renames', '--stat=72',
          '--subject-prefix=PATCH', '--no-attach', '--no-cover-letter', '--no-thread',
          '--no-to', '--no-cc', '--no-add-header']


def base_of(git, patches):
    """The commit that the series applies to."""
    for name in 'annex-base', series.base(patches, 'tag'):
        if git.commit(name):
            return name
    raise Failure(f'{git.path} has neither the tag annex-base nor '
                  f"{series.base(patches, 'tag')}")


def write(git, commits, folders, out):
    """Write patches of `commits` and the file `series` into the folder `out`.

    `folders` says into which folder the patch of each subject goes.
    """
    names = []
    for commit in commits:
        subject = git('log', '-1', '--format=%s', commit)
        folder = folders[subject]
        number = 1 + sum(name.startswith(f'{folder}/') for name in names)
        written = git(*FORMAT, f'--start-number={number}', '-o', out / folder, commit)
        names.append(f'{folder}/{Path(written).name}')
    (out / 'series').write_text(series.HEADER + ''.join(f'{n}\n' for n in names))


def export(path, patches, folder):
    """Replace what is in `patches` by what the branch `annex` has."""
    git = Git(path)
    if not git.commit('annex'):
        raise Failure(f'{path} has no branch annex; `scripts/series apply` makes it')
    commits = git.commits(base_of(git, patches), 'annex')
    subjects = [git('log', '-1', '--format=%s', commit) for commit in commits]
    twice = sorted({s for s in subjects if subjects.count(s) > 1})
    if twice:
        raise Failure(f'two commits have the subject "{twice[0]}"; reword one')

    folders = series.folder_by_subject(patches)
    new = [s for s in subjects if s not in folders]
    if new and not folder:
        raise Failure('these commits are in no folder yet; name one with --folder '
                      '(through make: FOLDER=name):\n  ' + '\n  '.join(new))
    folders.update({s: folder for s in new})

    with tempfile.TemporaryDirectory(dir=patches.parent) as scrap:
        out = Path(scrap)
        write(git, commits, folders, out)
        for old in patches.glob('*/*.patch'):
            old.unlink()
        for name in series.listed(out):
            (patches / name).parent.mkdir(exist_ok=True)
            shutil.move(out / name, patches / name)
        shutil.move(out / 'series', patches / 'series')
    git('update-ref', SAVED, 'annex')
    print(f'series: {len(commits)} patches exported to {patches}')
    for problem in series.problems(patches):
        print(f'series: {problem}')
