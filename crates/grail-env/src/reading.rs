//! What a completion says: its working-out tag, its answer block and what follows it.
//!
//! One pass from left to right, no backtracking: a completion of any length and shape costs time linear in its bytes.

use std::ops::Range;

/// Opens the working-out. A reading does not ask for it; prompts show it.
pub const THINKING_OPEN: &str = "<start_working_out>";
/// Closes the working-out; the spelling is the original's.
pub const THINKING_CLOSE: &str = "</end_working_out>";
/// Opens the answer block, which ends at the next [`ANSWER_CLOSE`].
pub const ANSWER_OPEN: &str = "<SOLUTION>";
/// Closes the answer block; what follows counts as trailing text.
pub const ANSWER_CLOSE: &str = "</SOLUTION>";

/// What the tags of a completion say. Made by [`Reading::of`] from any text; it cannot fail.
///
/// A tag is its exact text, ASCII letters in either case; a tag with spaces or attributes inside is no tag.
///
/// | field | rule |
/// |---|---|
/// | `thinking` | [`THINKING_CLOSE`] occurs; the opening tag is not needed |
/// | `answer` | after the first [`THINKING_CLOSE`], the first [`ANSWER_OPEN`] and then the first [`ANSWER_CLOSE`]; when one of the three is missing, the first [`ANSWER_OPEN`] of the text and the first [`ANSWER_CLOSE`] after it; when one of those is missing, no block |
/// | `trailing` | Unicode scalar values after the block's closing tag |
/// | `ordered` | the block was found by the first of the two rules |
///
/// The content is what lies between the tags, untrimmed; it may hold further opening tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Whether the working-out was closed.
    pub thinking: bool,
    /// The answer block, if there is one.
    pub block: Option<AnswerBlock>,
}

/// An answer block inside a completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerBlock {
    /// Bytes of the content within the completion, tags excluded.
    pub content: Range<usize>,
    /// Unicode scalar values after the closing tag.
    pub trailing: usize,
    /// Whether the block follows the closed working-out.
    pub ordered: bool,
}

impl Reading {
    /// Reads a completion: any text, in time linear in its length.
    pub fn of(text: &str) -> Self {
        read(text, &mut |_| {})
    }

    /// Content of the answer block of `text`, the text that this reading was made of.
    pub fn content<'text>(&self, text: &'text str) -> Option<&'text str> {
        text.get(self.block.as_ref()?.content.clone())
    }

    /// Unicode scalar values after the answer block; `None` without one.
    pub fn trailing(&self) -> Option<usize> {
        self.block.as_ref().map(|block| block.trailing)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    ThinkingClose,
    AnswerOpen,
    AnswerClose,
}

impl Tag {
    const fn text(self) -> &'static str {
        match self {
            Self::ThinkingClose => THINKING_CLOSE,
            Self::AnswerOpen => ANSWER_OPEN,
            Self::AnswerClose => ANSWER_CLOSE,
        }
    }
}

/// An answer block in the making: the first opening tag, then the first closing tag after it.
#[derive(Default)]
struct Route {
    /// Where the content begins.
    open: Option<usize>,
    /// Where the content ends, and where the closing tag ends.
    close: Option<(usize, usize)>,
}

impl Route {
    fn see(&mut self, tag: Tag, start: usize, end: usize) {
        match tag {
            Tag::AnswerOpen if self.open.is_none() => self.open = Some(end),
            Tag::AnswerClose if self.open.is_some() && self.close.is_none() => {
                self.close = Some((start, end))
            }
            _ => {}
        }
    }

    fn block(&self, text: &str, ordered: bool) -> Option<AnswerBlock> {
        let (start, (stop, end)) = self.open.zip(self.close)?;
        let trailing = text.get(end..)?.chars().count();
        Some(AnswerBlock { content: start..stop, trailing, ordered })
    }
}

/// The pass itself. `work` is told of every byte looked at, so that a test can hold it to being linear.
fn read(text: &str, work: &mut impl FnMut(usize)) -> Reading {
    let mut thinking = false;
    let mut first = Route::default();
    let mut ordered = Route::default();
    // No tag holds a second '<', so each '<' starts at most one tag and a failed match is never gone over again.
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        work(1);
        let tag = if *byte == b'<' { tag_at(rest, tail, work) } else { None };
        let Some(tag) = tag else {
            rest = tail;
            continue;
        };
        let start = text.len() - rest.len();
        let end = start + tag.text().len();
        rest = rest.get(tag.text().len()..).unwrap_or_default();
        thinking |= tag == Tag::ThinkingClose;
        first.see(tag, start, end);
        if thinking {
            ordered.see(tag, start, end);
        }
        if ordered.close.is_some() {
            break;
        }
    }
    // What counting the trailing characters looks at.
    work(text.len());
    let block = ordered.block(text, true).or_else(|| first.block(text, false));
    Reading { thinking, block }
}

/// The tag at the start of `rest`, whose first byte is '<' and is followed by `tail`.
fn tag_at(rest: &[u8], tail: &[u8], work: &mut impl FnMut(usize)) -> Option<Tag> {
    // One or two bytes tell which tag it could be: a text full of '<' costs hardly more than any other.
    let candidate = match tail {
        [b'S' | b's', ..] => Tag::AnswerOpen,
        [b'/', b'S' | b's', ..] => Tag::AnswerClose,
        [b'/', b'e' | b'E', ..] => Tag::ThinkingClose,
        _ => return None,
    };
    let want = candidate.text().as_bytes();
    work(want.len());
    rest.get(..want.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(want)).then_some(candidate)
}

#[cfg(test)]
#[path = "reading_tests.rs"]
mod tests;
