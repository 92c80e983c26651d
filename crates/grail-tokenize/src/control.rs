//! Keeping control tokens that the template writes apart from their letters in a message.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::{AhoCorasick, MatchKind};
use grail_protocol::words::TokenId;

use crate::TokenizeError;

/// The control tokens of a vocabulary.
#[derive(Debug)]
pub(crate) struct Control {
    /// Finds them as the tokenizer does: the leftmost, and of several there the longest.
    whole: AhoCorasick,
    /// Finds every one, also those that overlap.
    every: AhoCorasick,
    texts: Vec<String>,
    ids: Vec<TokenId>,
}

/// A piece of rendered text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A control token of the template.
    Control(TokenId),
    /// Anything else, with the marks taken out.
    Text(Cow<'a, str>),
}

/// The private-use characters.
const MARKS: [std::ops::RangeInclusive<char>; 3] =
    ['\u{E000}'..='\u{F8FF}', '\u{F0000}'..='\u{FFFFD}', '\u{100000}'..='\u{10FFFD}'];

impl Control {
    /// Control tokens by text.
    pub(crate) fn new(tokens: BTreeMap<String, TokenId>) -> Result<Self, TokenizeError> {
        if let Some(token) = tokens.keys().find(|text| text.chars().nth(1).is_none()) {
            let reason = "it has fewer than two characters, so no mark can break it";
            return Err(TokenizeError::ControlToken { token: token.clone(), reason });
        }
        let (texts, ids): (Vec<_>, Vec<_>) = tokens.into_iter().unzip();
        let build = |kind| {
            AhoCorasick::builder().match_kind(kind).build(&texts).map_err(|_| TokenizeError::ControlToken {
                token: texts.first().cloned().unwrap_or_default(),
                reason: "the control tokens together are too long",
            })
        };
        let (whole, every) = (build(MatchKind::LeftmostLongest)?, build(MatchKind::Standard)?);
        Ok(Self { whole, every, texts, ids })
    }

    /// A character that neither the texts nor the control tokens have.
    pub(crate) fn free_mark<'a>(
        &'a self,
        texts: impl Iterator<Item = &'a str>,
    ) -> Result<char, TokenizeError> {
        let private = |c: &char| MARKS.iter().any(|range| range.contains(c));
        let all = texts.chain(self.texts.iter().map(String::as_str));
        let taken: BTreeSet<char> = all.flat_map(str::chars).filter(private).collect();
        MARKS.into_iter().flatten().find(|c| !taken.contains(c)).ok_or(TokenizeError::NoMarkLeft)
    }

    /// The text with a mark inside each control token, and at an end that a neighbour could complete to one.
    pub(crate) fn defuse<'a>(&self, text: &'a str, mark: char) -> Cow<'a, str> {
        let mut places: BTreeSet<usize> = self
            .every
            .find_overlapping_iter(text)
            .map(|found| found.start() + text[found.start()..].chars().next().map_or(0, char::len_utf8))
            .collect();
        let splits = || {
            self.texts.iter().flat_map(|token| token.char_indices().skip(1).map(|(at, _)| token.split_at(at)))
        };
        // Templates may trim a message, so what its words begin and end with counts too.
        for trimmed in [text, text.trim_start()] {
            if splits().any(|(_, tail)| trimmed.starts_with(tail)) {
                places.insert(text.len() - trimmed.len());
            }
        }
        for trimmed in [text, text.trim_end()] {
            if splits().any(|(head, _)| trimmed.ends_with(head)) {
                places.insert(trimmed.len());
            }
        }
        if places.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len() + places.len() * mark.len_utf8());
        let mut from = 0;
        for place in places {
            out.push_str(&text[from..place]);
            out.push(mark);
            from = place;
        }
        out.push_str(&text[from..]);
        Cow::Owned(out)
    }

    /// Cuts rendered text at its control tokens; those that a mark breaks stay letters.
    pub(crate) fn split<'a>(&self, rendered: &'a str, mark: char) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let mut from = 0;
        let text = |range: std::ops::Range<usize>, pieces: &mut Vec<Piece<'a>>| {
            let text = &rendered[range];
            if text.contains(mark) {
                pieces.push(Piece::Text(Cow::Owned(text.replace(mark, ""))));
            } else if !text.is_empty() {
                pieces.push(Piece::Text(Cow::Borrowed(text)));
            }
        };
        for found in self.whole.find_iter(rendered) {
            text(from..found.start(), &mut pieces);
            pieces.extend(self.ids.get(found.pattern().as_usize()).map(|&id| Piece::Control(id)));
            from = found.end();
        }
        text(from..rendered.len(), &mut pieces);
        pieces
    }
}
