// SPDX-License-Identifier: GPL-2.0-or-later
//! The files of this crate and of tape-image can be read one after the other: none
//! needs another that needs it, by however many steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What is before a file's tests, without comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source");
    let own = text.split("#[cfg(test)]\nmod tests {").next();
    let lines = own.expect("a part").lines();
    let code = lines.map(|line| line.split("//").next().expect("a part"));
    code.collect::<Vec<_>>().join(" ")
}

/// Modules and their code, the crate's root and files of tests aside.
fn modules(folder: &Path, name: &str, all: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let stem = stem.expect("a name");
        let inner = match (name, stem) {
            (_, "lib" | "tests" | "hostile") => continue,
            (_, "mod") => name.to_owned(),
            ("", _) => stem.to_owned(),
            _ => format!("{name}::{stem}"),
        };
        match path.is_dir() {
            true => modules(&path, &inner, all),
            false => drop(all.insert(inner, code(&path))),
        }
    }
}

/// The paths that a tree of a `use` stands for.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((path, rest)) = tree.split_once('{') else {
        paths.push(format!("{prefix}{tree}"));
        return;
    };
    let (prefix, inner) = (format!("{prefix}{path}"), rest.trim_end_matches([' ', '}']));
    // Closing braces that were cut off come back where they are needed.
    let (mut depth, mut from) = (0, 0);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                expand(&prefix, &inner[from..at], paths);
                from = at + 1;
            }
            _ => {}
        }
    }
    expand(&prefix, &inner[from..], paths);
}

/// The modules whose names a module's code uses.
fn used(name: &str, code: &str, all: &BTreeMap<String, String>) -> BTreeSet<String> {
    let outer = |name: &str| {
        name.rsplit_once("::")
            .map_or("", |(outer, _)| outer)
            .to_owned()
    };
    let below = |outer: &str, path: &str| format!("{outer}::{path}");
    let (parent, mut paths) = (outer(name), Vec::new());
    let mut rest = String::new();
    for (number, part) in code.split("use ").enumerate() {
        let (tree, after) = match number {
            0 => ("", part),
            _ => part.split_once(';').unwrap_or((part, "")),
        };
        expand("", tree, &mut paths);
        rest.push_str(after);
    }
    let word = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
    paths.extend(
        rest.split(word)
            .filter(|path| path.contains("::"))
            .map(String::from),
    );
    let found = paths.iter().filter_map(|path| {
        let path = match path.split_once("::") {
            Some(("crate", path)) => path.to_owned(),
            Some(("super", path)) => match path.strip_prefix("super::") {
                Some(path) => below(&outer(&parent), path),
                None => below(&parent, path),
            },
            _ => below(name, path),
        };
        let mut path = path.trim_start_matches("::");
        while !all.contains_key(path) {
            path = path.rsplit_once("::")?.0;
        }
        Some(path.to_owned())
    });
    found.filter(|other| other != name).collect()
}

fn check(folder: &str, at_least: usize) {
    let mut all = BTreeMap::new();
    modules(Path::new(folder), "", &mut all);
    assert!(all.len() >= at_least, "{} files read", all.len());
    let uses = |(name, code): (&String, &String)| (name.clone(), used(name, code, &all));
    let mut left: BTreeMap<_, _> = all.iter().map(uses).collect();
    let links: usize = left.values().map(BTreeSet::len).sum();
    assert!(links > 2 * all.len(), "{links} uses found");
    // Those that need none of the others that are left can be read.
    loop {
        let names: BTreeSet<_> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, uses| !uses.is_disjoint(&names));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "these need each other: {left:#?}");
}

#[test]
fn no_file_needs_one_that_needs_it() {
    check(concat!(env!("CARGO_MANIFEST_DIR"), "/src"), 40);
    check(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../tape-image/src"),
        20,
    );
}
