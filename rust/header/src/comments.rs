// SPDX-License-Identifier: GPL-2.0-or-later
//! Rust's doc comments, as C programmers write them.

/// Columns of a line at most.
const WIDTH: usize = 79;

/// Wraps the comments of a header anew, and takes out the headings that are
/// Rust's; what is below them stays. Constants that only hexadecimal shows for
/// what they are become so.
pub fn for_c(header: &str) -> String {
    let mut out = String::new();
    let mut comment: Option<Comment> = None;
    for line in header.lines() {
        let text = line.trim_start();
        let indent = &line[..line.len() - text.len()];
        if text == "/**" {
            comment = Some(Comment::new(indent));
        } else if let Some(mut inside) = comment.take() {
            if text == "*/" {
                out.push_str(&inside.end());
            } else {
                inside.add(text.trim_start_matches('*').strip_prefix(' ').unwrap_or(""));
                comment = Some(inside);
            }
        } else {
            out.push_str(&constant(line));
            out.push('\n');
        }
    }
    out
}

/// `#define NAME 4294967296` in hexadecimal; any other line as it is.
fn constant(line: &str) -> String {
    let value = line.rsplit(' ').next().unwrap_or_default();
    match value.parse::<u64>() {
        Ok(number) if line.starts_with("#define ") && number > u64::from(u32::MAX) => {
            format!("{}{number:#x}ULL", line.trim_end_matches(value))
        }
        _ => line.to_owned(),
    }
}

/// A comment being read: lines of text, an empty one between paragraphs.
struct Comment {
    indent: String,
    lines: Vec<String>,
    /// What the next line of text goes on with.
    open: bool,
}

impl Comment {
    fn new(indent: &str) -> Self {
        Self {
            indent: indent.into(),
            lines: Vec::new(),
            open: false,
        }
    }

    fn add(&mut self, text: &str) {
        if text.starts_with("# ") {
            self.open = false;
            return;
        }
        if text.is_empty() {
            if self.lines.last().is_some_and(|line| !line.is_empty()) {
                self.lines.push(String::new());
            }
            self.open = false;
            return;
        }
        let item = text.starts_with("* ") || text.starts_with("- ");
        if !self.open || item {
            self.lines.push(String::new());
        }
        self.open = true;
        let width = WIDTH - self.indent.len() - " * ".len();
        for word in text.split_whitespace() {
            let line = self.lines.last_mut().expect("pushed above");
            if line.is_empty() {
                line.push_str(word);
            } else if line.len() + 1 + word.len() <= width {
                line.push(' ');
                line.push_str(word);
            } else {
                self.lines.push(word.to_owned());
            }
        }
    }

    fn end(self) -> String {
        let Self { indent, lines, .. } = self;
        let mut out = format!("{indent}/**\n");
        let last = lines.iter().rposition(|line| !line.is_empty());
        let mut before_empty = true;
        for line in &lines[..last.map_or(0, |last| last + 1)] {
            // A paragraph's first line follows the empty one that ends the last.
            if line.is_empty() && before_empty {
                continue;
            }
            before_empty = line.is_empty();
            let line = format!("{indent} * {line}");
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out + &indent + " */\n"
    }
}

#[cfg(test)]
mod tests {
    use super::for_c;

    #[test]
    fn comments_are_wrapped_and_headings_go() {
        let long = "word ".repeat(20);
        let header = format!(
            "    /**\n     * {long}\n     * more.\n     *\n     * # Safety\n     * `x` is alive.\n     */\nint x;\n"
        );
        let words = |count: usize| vec!["word"; count].join(" ");
        let wanted = format!(
            "    /**\n     * {}\n     * {} more.\n     *\n     * `x` is alive.\n     */\nint x;\n",
            words(14),
            words(6)
        );
        assert_eq!(for_c(&header), wanted);
    }

    #[test]
    fn large_constants_are_hexadecimal() {
        assert_eq!(
            for_c("#define A 4294967296\n"),
            "#define A 0x100000000ULL\n"
        );
        assert_eq!(for_c("#define B 96\n"), "#define B 96\n");
    }
}
