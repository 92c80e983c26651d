//! From a template's text to tokens, with Jinja's rules for spaces around tags (`trim_blocks`, `lstrip_blocks`).

use super::{Outcome, TemplateError, letters::is_space};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Data(String),
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name(String),
    Text(String),
    Int(i64),
    Float(f64),
    Op(&'static str),
    End,
}

/// Longest first.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<",
    "=", ".", ":", "|", ",", ";",
];

/// One kind of line end, and none at the end of the text.
pub(super) fn normalised(source: &str) -> String {
    let mut text = source.replace("\r\n", "\n").replace('\r', "\n");
    if text.ends_with('\n') {
        text.pop();
    }
    text
}

/// The tokens with their lines, and what the texts among them say.
pub(super) fn tokens(source: &str) -> Outcome<(Vec<(usize, Token)>, String)> {
    let mut lexer =
        Lexer { source, at: 0, line: 1, line_starts: true, out: Vec::new(), words: String::new() };
    lexer.root()?;
    lexer.out.push((lexer.line, Token::End));
    Ok((lexer.out, lexer.words))
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    /// Whether what was read last ended a line.
    line_starts: bool,
    out: Vec<(usize, Token)>,
    words: String,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn fail<T>(&self, message: impl Into<String>) -> Outcome<T> {
        Err(TemplateError::new(message).at(self.line))
    }

    fn advance(&mut self, bytes: usize) {
        self.line += self.rest()[..bytes].matches('\n').count();
        self.at += bytes;
    }

    fn push(&mut self, token: Token) {
        self.out.push((self.line, token));
    }

    fn root(&mut self) -> Outcome<()> {
        loop {
            let rest = self.rest();
            let begins = |at: &usize| rest.as_bytes().get(at + 1).is_some_and(|b| b"{%#".contains(b));
            let Some(begin) = rest.match_indices('{').map(|(at, _)| at).find(begins) else {
                if !rest.is_empty() {
                    self.push(Token::Data(rest.to_owned()));
                    self.advance(rest.len());
                }
                return Ok(());
            };
            let tag = &rest[begin..begin + 2];
            let sign = sign(&rest[begin + 2..]);
            self.data(begin, sign, tag != "{{");
            let raw = if tag == "{%" { raw_begin(&self.rest()[2..]) } else { None };
            self.line_starts = false;
            match (tag, raw) {
                (_, Some(bytes)) => {
                    self.advance(2 + bytes);
                    self.raw()?;
                }
                ("{#", _) => self.comment(2 + sign.map_or(0, |_| 1))?,
                _ => {
                    let block = tag == "{%";
                    self.push(if block { Token::BlockBegin } else { Token::VariableBegin });
                    self.advance(2 + sign.map_or(0, |_| 1));
                    self.tag(block)?;
                }
            }
        }
    }

    /// The text before a tag, of so many bytes.
    fn data(&mut self, bytes: usize, sign: Option<char>, block: bool) {
        let text = &self.rest()[..bytes];
        let mut kept = text;
        if sign == Some('-') {
            kept = text.trim_end_matches(is_space);
        } else if sign.is_none() && block {
            let line = text.rfind('\n').map_or(0, |at| at + 1);
            let spaces = !text[line..].is_empty() && text[line..].chars().all(is_space);
            if (line > 0 || self.line_starts) && spaces {
                kept = &text[..line];
            }
        }
        if !kept.is_empty() {
            self.push(Token::Data(kept.to_owned()));
        }
        self.advance(bytes);
    }

    fn comment(&mut self, begun: usize) -> Outcome<()> {
        let Some(length) = self.rest()[begun..].find("#}") else {
            return self.fail("a comment has no end");
        };
        // `-#}` and `+#}` are the same end as `#}`, with a sign before it.
        let sign = self.rest()[begun..begun + length].chars().next_back().filter(|c| matches!(c, '-' | '+'));
        self.advance(begun + length + 2);
        self.after_end(sign, true);
        Ok(())
    }

    /// Text up to `{% endraw %}` is data.
    fn raw(&mut self) -> Outcome<()> {
        let mut from = 0;
        while let Some(found) = self.rest()[from..].find("{%") {
            let begin = from + found;
            let after = &self.rest()[begin + 2..];
            let start_sign = sign(after);
            let word = after[start_sign.map_or(0, |_| 1)..].trim_start_matches(is_space);
            if let Some(end) = word.strip_prefix("endraw").map(|end| end.trim_start_matches(is_space)) {
                let end_sign = sign(end);
                if end[end_sign.map_or(0, |_| 1)..].starts_with("%}") {
                    let bytes = self.rest().len() - end.len() + end_sign.map_or(0, |_| 1) + 2 - begin;
                    self.data(begin, start_sign, true);
                    self.advance(bytes);
                    self.after_end(end_sign, true);
                    return Ok(());
                }
            }
            from = begin + 2;
        }
        self.fail("{% raw %} has no end")
    }

    /// Spaces behind the end of a tag.
    fn after_end(&mut self, sign: Option<char>, block: bool) {
        let rest = self.rest();
        let bytes = match sign {
            Some('-') => rest.len() - rest.trim_start_matches(is_space).len(),
            None if block && rest.starts_with('\n') => 1,
            _ => 0,
        };
        self.line_starts = rest[..bytes].ends_with('\n');
        self.advance(bytes);
    }

    /// The inside of `{% … %}` or `{{ … }}`.
    fn tag(&mut self, block: bool) -> Outcome<()> {
        let end = if block { "%}" } else { "}}" };
        let mut open: Vec<&'static str> = Vec::new();
        loop {
            let rest = self.rest();
            let Some(first) = rest.chars().next() else {
                // The parser says what is missing.
                return Ok(());
            };
            if open.is_empty() {
                let sign = sign(rest).filter(|sign| *sign == '-' || block);
                if rest[sign.map_or(0, |_| 1)..].starts_with(end) {
                    self.push(if block { Token::BlockEnd } else { Token::VariableEnd });
                    self.advance(2 + sign.map_or(0, |_| 1));
                    self.after_end(sign, block);
                    return Ok(());
                }
            }
            if is_space(first) {
                self.advance(first.len_utf8());
            } else if first.is_ascii_digit() {
                self.number()?;
            } else if first == '_' || first.is_alphanumeric() {
                let length = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
                self.push(Token::Name(rest[..length].to_owned()));
                self.advance(length);
            } else if first == '\'' || first == '"' {
                self.text(first)?;
            } else {
                let Some(op) = OPERATORS.into_iter().find(|op| rest.starts_with(op)) else {
                    return self.fail(format!("unexpected character {first:?}"));
                };
                match op {
                    "{" => open.push("}"),
                    "(" => open.push(")"),
                    "[" => open.push("]"),
                    "}" | ")" | "]" if open.pop() != Some(op) => {
                        return self.fail(format!("unexpected '{op}'"));
                    }
                    _ => {}
                }
                self.push(Token::Op(op));
                self.advance(op.len());
            }
        }
    }

    fn number(&mut self) -> Outcome<()> {
        let rest = self.rest();
        let after_dot = self.source[..self.at].ends_with('.');
        let whole = digits(rest);
        let mut float = whole;
        if !after_dot {
            if rest[float..].starts_with('.') && digits(&rest[float + 1..]) > 0 {
                float += 1 + digits(&rest[float + 1..]);
            }
            if rest[float..].starts_with(['e', 'E']) {
                let signed = 1 + usize::from(rest[float + 1..].starts_with(['+', '-']));
                let power = digits(&rest[float + signed..]);
                float += if power > 0 { signed + power } else { 0 };
            }
        }
        if float > whole {
            let number = rest[..float].replace('_', "").parse();
            self.push(Token::Float(number.or_else(|_| self.fail("this number is not understood"))?));
            self.advance(float);
            return Ok(());
        }
        let prefix = rest.get(..2).map(str::to_ascii_lowercase).unwrap_or_default();
        let (radix, start) = match prefix.as_str() {
            "0b" => (2, 2),
            "0o" => (8, 2),
            "0x" => (16, 2),
            _ => (10, 0),
        };
        let mut length =
            rest[start..].find(|c: char| c != '_' && !c.is_digit(radix)).map_or(rest.len(), |at| start + at);
        if radix == 10 && rest.starts_with('0') {
            length = rest.find(|c: char| c != '_' && c != '0').unwrap_or(rest.len());
        }
        let number = i64::from_str_radix(&rest[start..length].replace('_', ""), radix);
        self.push(Token::Int(
            number.or_else(|_| self.fail("whole numbers beyond 64 bits are not supported here"))?,
        ));
        self.advance(length);
        Ok(())
    }

    fn text(&mut self, quote: char) -> Outcome<()> {
        let body = &self.rest()[1..];
        let mut escaped = false;
        for (at, c) in body.char_indices() {
            if c == quote && !escaped {
                let text = match unescaped(&body[..at]) {
                    Ok(text) => text,
                    Err(problem) => return self.fail(problem),
                };
                if !text.is_ascii() {
                    self.words.push_str(&text);
                }
                self.push(Token::Text(text));
                self.advance(at + 2);
                return Ok(());
            }
            escaped = c == '\\' && !escaped;
        }
        self.fail(format!("unexpected character {quote:?}: a text has no end"))
    }
}

fn sign(text: &str) -> Option<char> {
    text.chars().next().filter(|c| matches!(c, '-' | '+'))
}

/// Bytes of digits with single underscores between them.
fn digits(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut at = 0;
    while digit(at) || (at > 0 && bytes.get(at) == Some(&b'_') && digit(at + 1)) {
        at += 1;
    }
    at
}

/// Bytes of `raw %}` with what may stand around it.
fn raw_begin(after: &str) -> Option<usize> {
    let word = after[sign(after).map_or(0, |_| 1)..].trim_start_matches(is_space);
    let end = word.strip_prefix("raw")?.trim_start_matches(is_space);
    let rest = match end.strip_prefix("-%}") {
        Some(rest) => rest.trim_start_matches(is_space),
        None => end.strip_prefix("%}")?,
    };
    Some(after.len() - rest.len())
}

/// What Python's `unicode-escape` makes of a text between quotes.
fn unescaped(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let rest = chars.as_str();
        let Some(kind) = chars.next() else { return Err("a text ends in a backslash".into()) };
        let simple = match kind {
            '\n' => continue,
            '\\' | '\'' | '"' => kind,
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '0'..='7' => {
                let length = rest.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                chars = rest[length..].chars();
                code(&rest[..length], 8)?
            }
            'x' | 'u' | 'U' => {
                let length = match kind {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let hex = rest[1..].get(..length).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
                let hex =
                    hex.ok_or_else(|| format!("the escape \\{kind} needs {length} hexadecimal digits"))?;
                chars = rest[1 + length..].chars();
                code(hex, 16)?
            }
            'N' => return Err("characters by name (\\N) are not supported here".into()),
            other => {
                out.push('\\');
                // Jinja writes such a character as an escape first, whose backslash the other one takes.
                match u32::from(other) {
                    0..=0x7f => out.push(other),
                    number @ 0x80..=0xff => out.push_str(&format!("x{number:02x}")),
                    number @ 0x100..=0xffff => out.push_str(&format!("u{number:04x}")),
                    number => out.push_str(&format!("U{number:08x}")),
                }
                continue;
            }
        };
        out.push(simple);
    }
    Ok(out)
}

fn code(digits: &str, radix: u32) -> Result<char, String> {
    let number = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    number.ok_or_else(|| format!("the escape {digits} is no character"))
}
