//! Files of variables, read so that systemd's `EnvironmentFile` and a shell's `source` see the same values.
//!
//! What the three read differently is refused: substitution (`$`), escapes, and words after a closing quote. A crate
//! that substitutes would change secrets without a word. That holds for variables of ours: what others keep in the same file
//! is theirs, in whatever form.

use super::error::{ConfigError, ValuePlace};
use std::path::Path;
use zeroize::Zeroizing;

/// One line of the file that sets a variable.
pub(super) struct Assignment {
    pub(super) line: usize,
    pub(super) name: String,
    /// What every reader agrees on, or why they do not.
    pub(super) value: Result<Zeroizing<String>, &'static str>,
}

/// Reads every assignment. Empty lines and lines that begin with `#` say nothing.
///
/// `is_ours` knows the names that are read: another's value may go over several lines.
pub(super) fn parse(
    path: &Path,
    text: &str,
    is_ours: impl Fn(&str) -> bool,
) -> (Vec<Assignment>, Vec<ConfigError>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    // Some editors begin a file with a mark of its encoding.
    let mut lines = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    while let Some((line, content)) = lines.next() {
        match assignment(content) {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                let open = opened(content).filter(|_| !is_ours(&name));
                if let Some(quote) = open {
                    // It ends with the line that ends with the quote, as systemd has it, or with the file.
                    let _ = lines.by_ref().find(|(_, content)| content.trim_end().ends_with(quote));
                }
                found.push(Assignment { line, name, value });
            }
            Err(reason) => {
                let place = ValuePlace::Line { path: path.to_owned(), line };
                errors.push(ConfigError::Syntax { place, reason: reason.to_owned() });
            }
        }
    }
    (found, errors)
}

/// The quote that a line's value begins with and does not end with.
fn opened(line: &str) -> Option<char> {
    let value = line.split_once('=')?.1.trim();
    ['\'', '"'].into_iter().find(|&quote| {
        value.strip_prefix(quote).is_some_and(|rest| rest.is_empty() || !rest.ends_with(quote))
    })
}

/// A name, and its value or what is wrong with the line.
type Named = (String, Result<Zeroizing<String>, &'static str>);

fn assignment(line: &str) -> Result<Option<Named>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (assigned, exported) = match line.strip_prefix("export ") {
        Some(rest) => (rest.trim_start(), true),
        None => (line, false),
    };
    let (name, value) = assigned.split_once('=').ok_or("expected NAME=value, or # and a remark")?;
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let value = if exported {
        Err("systemd does not read lines with `export`; leave the word out")
    } else if name.is_empty() || !name.chars().all(in_name) {
        Err("a name has letters, digits and _ alone, and no space before the equals sign")
    } else if value.starts_with([' ', '\t']) {
        Err("a space after the equals sign; a shell would read another value")
    } else {
        unquoted(value).map(|value| Zeroizing::new(value.to_owned()))
    };
    Ok(Some((name.trim().to_owned(), value)))
}

fn unquoted(value: &str) -> Result<&str, &'static str> {
    for quote in ['\'', '"'] {
        if let Some(rest) = value.strip_prefix(quote) {
            let inside = rest.strip_suffix(quote).ok_or("the quote does not end with the line")?;
            if inside.contains(quote) || (quote == '"' && inside.contains(['$', '\\', '`'])) {
                return Err(
                    "quotes, $, ` and \\ inside double quotes are read in different ways; use single quotes",
                );
            }
            return Ok(inside);
        }
    }
    if value
        .contains(['$', '`', '\\', '\'', '"', ' ', '\t', ';', '&', '|', '<', '>', '(', ')', '#', '*', '?'])
    {
        return Err("characters that a shell would read as something else; put the value into single quotes");
    }
    Ok(value)
}

/// A value as it stands in a file of variables. `None`: it holds a single quote or a line's end, for which there is
/// no form that all readers agree on.
pub fn quote(value: &str) -> Option<String> {
    if value.contains(['\'', '\n', '\r']) {
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,@%+=".contains(&byte);
    // A tilde is expanded by a shell and by nothing else; quoted it is expanded here alone.
    Some(if value.bytes().all(plain) { value.to_owned() } else { format!("'{value}'") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(line: &str) -> Result<String, &'static str> {
        assignment(line).and_then(|found| found.unwrap().1).map(|value| value.to_string())
    }

    #[test]
    fn what_every_reader_agrees_on_is_read() {
        for (line, expected) in [
            ("A=b", "b"),
            ("A=", ""),
            ("A='b c'", "b c"),
            ("A=\"b c\"", "b c"),
            ("A='$b'", "$b"),
            ("  A=a=b  ", "a=b"),
        ] {
            assert_eq!(value(line).unwrap(), expected, "{line}");
        }
        assert!(assignment("# A=b").unwrap().is_none() && assignment("  ").unwrap().is_none());
    }

    #[test]
    fn what_readers_disagree_on_is_refused() {
        for line in [
            "A",
            "A b",
            "=b",
            "A =b",
            "A= b",
            "export A=b",
            "A=$b",
            "A=\"$b\"",
            "A='b",
            "A='b' c",
            "A=b # remark",
            "A=b\\n",
            "A=`b`",
            "A-B=c",
        ] {
            assert!(value(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_line_of_others_hides_no_line_of_ours() {
        let text = "\u{feff}A=1\nexport THEIRS=$HOME\nKEY=\"-----BEGIN\nB=not ours\nEND-----\"\nURL=a?b&c\n a.b = c\nC='x\nB=2\n";
        let (found, errors) = parse(Path::new(".env"), text, |name| ["A", "B", "C"].contains(&name));
        assert!(errors.is_empty());
        let told: Vec<_> = found.iter().map(|one| (one.line, one.name.as_str(), one.value.is_ok())).collect();
        let expected = [
            (1, "A", true),
            (2, "THEIRS", false),
            (3, "KEY", false),
            (6, "URL", false),
            (7, "a.b", false),
            (8, "C", false),
            (9, "B", true),
        ];
        assert_eq!(told, expected);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(text in "[ -~]{0,40}") {
            match quote(&text) {
                Some(quoted) => prop_assert_eq!(value(&format!("A={quoted}")).unwrap(), text),
                None => prop_assert!(text.contains('\'')),
            }
        }
    }
}
