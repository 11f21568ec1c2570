# SPDX-License-Identifier: GPL-2.0-or-later
"""patches/: the file `series`, the folders it lists, and BASE."""

import re

from .git import Failure

HEADER = """\
# The patches in the order in which they apply. `make export` writes this file.
# SPDX-License-Identifier: GPL-2.0-or-later
"""


def base(patches, key):
    """The value of a key in patches/BASE."""
    match = re.search(rf'^{key} = (.*)$', (patches / 'BASE').read_text(), re.M)
    if not match:
        raise Failure(f"{patches / 'BASE'} has no '{key}'")
    return match[1]


def listed(patches):
    """The patches that `series` lists, as FOLDER/FILE, in order."""
    lines = (patches / 'series').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def problems(patches):
    """Sentences about what doesn't fit between `series` and the files."""
    names = listed(patches)
    files = {f'{p.parent.name}/{p.name}' for p in patches.glob('*/*.patch')}
    found = [f'{name} is listed twice' for name in sorted(set(names))
             if names.count(name) > 1]
    found += [f'{name} is listed, but there is no such file'
              for name in sorted(set(names) - files)]
    found += [f'{name} is not listed' for name in sorted(files - set(names))]
    folders = [name.partition('/')[0] for name in names]
    changes = [new for old, new in zip([None] + folders, folders) if old != new]
    found += [f'the patches of {folder} are not next to each other'
              for folder in sorted(set(changes)) if changes.count(folder) > 1]
    found += [f'{folder} has no README.md' for folder in sorted(set(folders))
              if not (patches / folder / 'README.md').is_file()]
    return found


def subject(patch):
    """A patch's subject in one line, without the [PATCH] in front."""
    match = re.search(r'^Subject: (.*(?:\n .*)*)', patch.read_text(), re.M)
    if not match:
        raise Failure(f'{patch} has no Subject: line')
    return re.sub(r'^\[PATCH\] ', '', match[1].replace('\n ', ' '))


def folder_by_subject(patches):
    """Which folder each subject's patch is in now."""
    paths = [patches / name for name in listed(patches)]
    return {subject(p): p.parent.name for p in paths if p.is_file()}
