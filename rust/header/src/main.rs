// SPDX-License-Identifier: GPL-2.0-or-later
//! Writes the C headers from rust/qemu-annex, one for each of its public
//! modules and one that brings in all of them; or, with `--check`, compares
//! them with what is there.

mod comments;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use cbindgen::{Builder, Config};

/// System headers, and the words for which a header needs each.
const SYSTEM: [(&str, &[&str]); 4] = [
    ("stdbool.h", &["bool "]),
    ("stddef.h", &["size_t "]),
    ("stdint.h", &["int8_t ", "int16_t ", "int32_t ", "int64_t "]),
    ("sys/uio.h", &["struct iovec "]),
];

fn main() -> ExitCode {
    let check = match env::args().nth(1).as_deref() {
        None => false,
        Some("--check") => true,
        Some(other) => {
            eprintln!("header: '{other}' is not known; usage: header [--check]");
            return ExitCode::from(2);
        }
    };
    match run(check) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("header: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(check: bool) -> Result<ExitCode, Box<dyn Error>> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (wanted, found) = (headers(&top)?, there(&top.join("include"))?);
    if check {
        let differ = wanted
            .iter()
            .find(|(path, text)| found.get(*path) != Some(*text));
        let differ = differ.or_else(|| found.iter().find(|(path, _)| !wanted.contains_key(*path)));
        let Some((path, _)) = differ else {
            return Ok(ExitCode::SUCCESS);
        };
        let path = path.display();
        eprintln!(
            "header: {path} is not what rust/qemu-annex gives; run `make header` and commit it"
        );
        return Ok(ExitCode::FAILURE);
    }
    for path in found.keys().filter(|path| !wanted.contains_key(*path)) {
        fs::remove_file(path)?;
    }
    for (path, text) in wanted {
        fs::create_dir_all(path.parent().ok_or("a header is in a folder")?)?;
        fs::write(path, text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Headers by their paths.
type Headers = BTreeMap<PathBuf, String>;

/// What rust/qemu-annex gives.
fn headers(top: &Path) -> Result<Headers, Box<dyn Error>> {
    let (library, include) = (top.join("rust/qemu-annex"), top.join("include"));
    let config = Config::from_file(library.join("cbindgen.toml"))?;
    let root = fs::read_to_string(library.join("src/lib.rs"))?;
    let modules = root
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let (mut headers, mut all) = (Headers::new(), Vec::new());
    for module in modules {
        let name = format!("qemu-annex/{}.h", module.replace('_', "-"));
        let sources = sources(&library.join("src").join(module))?;
        if !exports(&sources)? {
            continue;
        }
        headers.insert(include.join(&name), header(&config, module, &sources)?);
        all.push(name);
    }
    let of_all = Config {
        include_guard: Some("QEMU_ANNEX_H".into()),
        includes: all,
        cpp_compat: false,
        ..config
    };
    let empty = Builder::new().with_config(of_all).generate()?;
    headers.insert(include.join("qemu-annex.h"), text(&empty));
    Ok(headers)
}

/// The files of the module `name`, but its tests.
fn sources(name: &Path) -> io::Result<Vec<PathBuf>> {
    let mut sources = vec![name.with_extension("rs")];
    if name.is_dir() {
        for entry in fs::read_dir(name)? {
            let path = entry?.path();
            let is_source = path.extension().is_some_and(|extension| extension == "rs");
            if is_source && !path.ends_with("tests.rs") {
                sources.push(path);
            }
        }
    }
    // The file system has an order of its own.
    sources.sort();
    Ok(sources)
}

/// Whether a C program can call something in these files.
fn exports(sources: &[PathBuf]) -> io::Result<bool> {
    for source in sources {
        if fs::read_to_string(source)?.contains("#[no_mangle]") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The header of one module.
fn header(config: &Config, module: &str, sources: &[PathBuf]) -> Result<String, cbindgen::Error> {
    let mut config = Config {
        include_guard: Some(format!("QEMU_ANNEX_{}_H", module.to_uppercase())),
        ..config.clone()
    };
    let generate = |config: &Config| {
        let builder = Builder::new().with_config(config.clone());
        let of_module = sources.iter().fold(builder, Builder::with_src);
        Ok(text(&of_module.generate()?))
    };
    let bare = generate(&config)?;
    let needed = SYSTEM
        .iter()
        .filter(|(_, words)| words.iter().any(|word| bare.contains(word)));
    config.sys_includes = needed.map(|(header, _)| (*header).to_owned()).collect();
    if module != "error" && bare.contains("AnnexError *") {
        config.includes.push("qemu-annex/error.h".into());
    }
    generate(&config)
}

fn text(bindings: &cbindgen::Bindings) -> String {
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    comments::for_c(&String::from_utf8_lossy(&bytes))
}

/// The headers in `include` and the folder in it.
fn there(include: &Path) -> Result<Headers, Box<dyn Error>> {
    let mut headers = Headers::new();
    for folder in [include.to_owned(), include.join("qemu-annex")] {
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_file() {
                headers.insert(path.clone(), fs::read_to_string(path)?);
            }
        }
    }
    Ok(headers)
}
