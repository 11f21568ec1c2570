# SPDX-License-Identifier: GPL-2.0-or-later
"""What pages say of files, patches and stages, held against what there is."""

import re

LINK = re.compile(r'\]\(([^)#\s]+)')
# A word that looks like a path: it has a slash, and no character of a command.
WORD = re.compile(r'(?<![\w/.:$~{<=-])((?:[\w.+-]+/)+[\w.+*\[\]{},-]*)')
STAGES = re.compile(r'scripts/check((?: [a-z][a-z-]*)+)')
ROW = re.compile(r'\| *((?:\d{4}(?: to |, | and )?)+(?: on)?) *\|')


def expand(word):
    """The paths that a word means, `{a,b}` and `.[ch]` being short for several."""
    match = re.search(r'\{([^{}]*)\}', word) or re.search(r'\[(\w+)\]', word)
    if not match:
        return [word]
    parts = match[1].split(',') if match[0][0] == '{' else match[1]
    return [path for part in parts
            for path in expand(word[:match.start()] + part + word[match.end():])]


class Pages:
    """The tree at `top`, and `qemu`, the paths of QEMU's tree with the series on it,
    or None if there is no such tree."""

    def __init__(self, top, stages, qemu=None):
        self.top = top
        self.stages = stages
        # With the link that users make.
        self.qemu = {'subprojects/qemu-annex', *qemu} if qemu else set()
        for path in list(self.qemu):
            while '/' in path:
                path = path.rpartition('/')[0]
                self.qemu.add(path)
        # Folders of which a path can be said to be there or not.
        self.known = {path.name for path in top.iterdir() if path.is_dir()} - {'build'}
        self.known |= {path.partition('/')[0] for path in self.qemu}

    def complaints(self, page):
        """Sentences about what a page says and isn't so."""
        text = page.read_text()
        return self.dead_links(page, text) + self.dead_paths(page, text) + \
            self.dead_stages(text) + self.wrong_patches(page, text)

    def dead_links(self, page, text):
        """Markdown's links to files."""
        return [f'the link to {target}' for target in LINK.findall(text)
                if '://' not in target and not (page.parent / target).exists()]

    def dead_paths(self, page, text):
        """Paths that begin with a folder of ours or of QEMU's."""
        text = re.sub(r'\]\([^)]*\)|\w+://\S+', '', text)
        found = []
        for word in WORD.findall(text):
            for path in expand(word.rstrip('.,')):
                if path.partition('/')[0] in self.known and \
                        not re.search(r'[A-Z]{4}|NAME', path) and \
                        not self.exists(page, path.rstrip('/')):
                    found.append(f'the path {path}')
        return sorted(set(found))

    def exists(self, page, path):
        """Whether it is there: from the top, from the page, or in QEMU's tree, as a
        file or as the program of a source file."""
        if any(True for folder in (self.top, page.parent) for _ in folder.glob(path)):
            return True
        if '*' in path:
            pattern = re.compile(re.escape(path).replace(r'\*', '[^/]*'))
            return any(pattern.match(known) for known in self.qemu)
        return not self.qemu and not (self.top / path.partition('/')[0]).exists() \
            or path in self.qemu or f'{path}.c' in self.qemu

    def dead_stages(self, text):
        """Stages that are named after scripts/check."""
        return [f'the stage {name}' for names in STAGES.findall(text)
                for name in names.split() if name not in self.stages]

    def wrong_patches(self, page, text):
        """The table of a folder's patches: each is in one row."""
        folder = page.parent
        if folder.parent != self.top / 'patches' or page.name != 'README.md':
            return []
        there = sorted(int(path.name[:4]) for path in folder.glob('*.patch'))
        told = [number for row in ROW.findall(text) for number in numbers(row, there)]
        if not told:
            return []
        return [f'patch {number:04}, which there isn\'t'
                for number in sorted(set(told) - set(there))] + \
            [f'nothing of patch {number:04}' for number in sorted(set(there) - set(told))] + \
            [f'patch {number:04} in two rows' for number in sorted(set(told))
             if told.count(number) > 1]


def numbers(row, there):
    """The patches that a row is about: `0001, 0002`, `0003 to 0005`, `0006 on`."""
    found = []
    for part in re.split(r', | and ', row.removesuffix(' on')):
        first, _, last = part.strip().partition(' to ')
        if first:
            found += range(int(first), int(last or first) + 1)
    if row.endswith(' on') and there:
        found += range(found[-1] + 1, there[-1] + 1)
    return found
