//! Files of variables, read so that systemd's `EnvironmentFile` and a shell's `source` see the same values.
//!
//! What the three read differently is refused: substitution (`$`), escapes, and words after a closing quote. A crate
//! that substitutes would change secrets without a word.

use super::error::{ConfigError, ValuePlace};
use std::path::Path;
use zeroize::Zeroizing;

/// One line of the file that sets a variable.
pub(super) struct Assignment {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) value: Zeroizing<String>,
}

/// Reads every assignment. Empty lines and lines that begin with `#` say nothing.
pub(super) fn parse(path: &Path, text: &str) -> (Vec<Assignment>, Vec<ConfigError>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for (line, content) in (1..).zip(text.lines()) {
        match assignment(content) {
            Ok(None) => {}
            Ok(Some((name, value))) => found.push(Assignment { line, name, value }),
            Err(reason) => {
                let place = ValuePlace::Line { path: path.to_owned(), line };
                errors.push(ConfigError::Syntax { place, reason: reason.to_owned() });
            }
        }
    }
    (found, errors)
}

fn assignment(line: &str) -> Result<Option<(String, Zeroizing<String>)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    if line.starts_with("export ") {
        return Err("systemd does not read lines with `export`; leave the word out");
    }
    let (name, value) = line.split_once('=').ok_or("expected NAME=value, or # and a remark")?;
    let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(in_name) {
        return Err("a name has letters, digits and _ alone, and no space before the equals sign");
    }
    if value.starts_with([' ', '\t']) {
        return Err("a space after the equals sign; a shell would read another value");
    }
    Ok(Some((name.to_owned(), Zeroizing::new(unquoted(value)?.to_owned()))))
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
        assignment(line).map(|found| found.unwrap().1.to_string())
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
            assert!(assignment(line).is_err(), "{line}");
        }
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
