//! Where a completion's text ends.

use grail_protocol::words::TokenId;

/// The completion without its final end token, if its last token is one of `ends`; at most one is taken off.
///
/// Text to be graded is decoded from what this returns, so that the end token's own text never counts as trailing
/// text. An end token elsewhere stays, and so does a second one.
pub fn strip_final_end<'tokens>(tokens: &'tokens [TokenId], ends: &[TokenId]) -> &'tokens [TokenId] {
    match tokens.split_last() {
        Some((last, rest)) if ends.contains(last) => rest,
        _ => tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_final_end_token_is_taken_off() {
        assert_eq!(strip_final_end(&[5, 2], &[2, 0]), &[5]);
        assert_eq!(strip_final_end(&[5, 2, 2], &[2]), &[5, 2]);
        assert_eq!(strip_final_end(&[2, 5], &[2]), &[2, 5]);
        assert_eq!(strip_final_end(&[2], &[2]), &[0u32; 0]);
        assert_eq!(strip_final_end(&[], &[2]), &[0u32; 0]);
        assert_eq!(strip_final_end(&[5], &[]), &[5]);
    }
}
