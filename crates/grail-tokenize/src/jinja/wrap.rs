//! Python's `textwrap.wrap`, with spaces dropped at the ends of lines and no break at hyphens.

/// The lines of a paragraph of at most `width` characters. `break_words`: a longer word is cut, else it stands alone.
pub(super) fn wrap(text: &str, width: usize, break_words: bool) -> Vec<String> {
    let space = |c: char| matches!(c, '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ');
    // Words and the spaces between them, the last one first.
    let mut chunks: Vec<String> = Vec::new();
    for c in text.chars() {
        match chunks.last_mut() {
            Some(last) if last.starts_with(space) == space(c) => last.push(c),
            _ => chunks.push(c.to_string()),
        }
    }
    chunks.reverse();
    let blank = |chunk: &String| chunk.chars().all(super::letters::is_space);
    let mut lines: Vec<String> = Vec::new();
    while !chunks.is_empty() {
        let mut line: Vec<String> = Vec::new();
        let mut length = 0;
        if !lines.is_empty() && chunks.last().is_some_and(blank) {
            chunks.pop();
        }
        while let Some(chunk) = chunks.last() {
            let size = chunk.chars().count();
            if length + size > width {
                break;
            }
            length += size;
            line.extend(chunks.pop());
        }
        if let Some(chunk) = chunks.last_mut().filter(|chunk| chunk.chars().count() > width) {
            if break_words {
                let room = width - length;
                let cut = chunk.char_indices().nth(room).map_or(chunk.len(), |(at, _)| at);
                line.push(chunk[..cut].to_owned());
                *chunk = chunk[cut..].to_owned();
            } else if line.is_empty() {
                line.extend(chunks.pop());
            }
        }
        if line.last().is_some_and(blank) {
            line.pop();
        }
        if !line.is_empty() {
            lines.push(line.concat());
        }
    }
    lines
}
