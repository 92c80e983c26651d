use super::*;
use proptest::prelude::*;

fn reading(text: &str) -> (bool, Option<&str>, Option<usize>, bool) {
    let reading = Reading::of(text);
    let ordered = reading.block.as_ref().is_some_and(|block| block.ordered);
    (reading.thinking, reading.content(text), reading.trailing(), ordered)
}

/// The rule once more, by searching the lower-cased text from each place anew.
fn naive(text: &str) -> Reading {
    let lower = text.to_ascii_lowercase();
    let find = |from: usize, tag: &str| {
        let tag = tag.to_ascii_lowercase();
        lower[from..].find(&tag).map(|at| (from + at, from + at + tag.len()))
    };
    let block = |from: usize, ordered: bool| {
        let (_, open) = find(from, ANSWER_OPEN)?;
        let (close, end) = find(open, ANSWER_CLOSE)?;
        Some(AnswerBlock { content: open..close, trailing: text[end..].chars().count(), ordered })
    };
    let thinking = find(0, THINKING_CLOSE);
    let ordered = thinking.and_then(|(_, end)| block(end, true));
    Reading { thinking: thinking.is_some(), block: ordered.or_else(|| block(0, false)) }
}

#[test]
fn blocks_are_chosen_by_the_rule() {
    let cases = [
        ("", (false, None, None, false)),
        ("42", (false, None, None, false)),
        ("<SOLUTION>42</SOLUTION>", (false, Some("42"), Some(0), false)),
        ("<SOLUTION></SOLUTION>", (false, Some(""), Some(0), false)),
        ("<solution>4</SoLuTiOn>é😀", (false, Some("4"), Some(2), false)),
        ("a</end_working_out> <SOLUTION> 7 </SOLUTION>\n", (true, Some(" 7 "), Some(1), true)),
        ("<start_working_out>a<SOLUTION>7</SOLUTION>", (false, Some("7"), Some(0), false)),
        ("<SOLUTION>1</SOLUTION></end_working_out><SOLUTION>2</SOLUTION>", (true, Some("2"), Some(0), true)),
        ("<SOLUTION>1</SOLUTION></end_working_out>", (true, Some("1"), Some(18), false)),
        ("<SOLUTION>1</end_working_out></SOLUTION>", (true, Some("1</end_working_out>"), Some(0), false)),
        ("</end_working_out><SOLUTION>1", (true, None, None, false)),
        ("</SOLUTION>1<SOLUTION>", (false, None, None, false)),
        ("<SOLUTION>1<SOLUTION>2</SOLUTION>", (false, Some("1<SOLUTION>2"), Some(0), false)),
        ("<SOLUTION>1</SOLUTION><SOLUTION>2</SOLUTION>", (false, Some("1"), Some(22), false)),
        ("< SOLUTION>1</SOLUTION>", (false, None, None, false)),
        ("<SOLUTION >1</SOLUTION>", (false, None, None, false)),
        ("<<SOLUTION>>1<</SOLUTION>>", (false, Some(">1<"), Some(1), false)),
        ("<SOLUTIO<SOLUTION>1</SOLUTIO</SOLUTION>", (false, Some("1</SOLUTIO"), Some(0), false)),
    ];
    for (text, want) in cases {
        assert_eq!(reading(text), want, "{text:?}");
    }
}

#[test]
fn only_ascii_letters_have_two_cases() {
    // U+017F folds to s in Unicode, and U+212A to k.
    assert_eq!(Reading::of("<\u{17f}OLUTION>1</SOLUTION>").block, None);
    assert!(!Reading::of("</end_wor\u{212a}ing_out>").thinking);
}

/// Bytes looked at, for a text of about `length` bytes made of a repeated piece.
fn work_for(piece: &str, length: usize) -> (usize, usize) {
    let text = piece.repeat(length.div_ceil(piece.len()));
    let mut work = 0;
    let reading = read(&text, &mut |bytes| work += bytes);
    assert_eq!(reading, Reading::of(&text));
    (text.len(), work)
}

#[test]
fn the_work_is_linear_for_every_adversary() {
    let pieces = [
        "<",
        "</",
        "</end_working_out>",
        "</end_working_out",
        "<SOLUTION>",
        "</SOLUTION>",
        "<SOLUTION",
        "</SOLUTIO",
        "<SOLUTION></end_working_out>",
        "</end_working_out><SOLUTION>",
        "<S</S<SOLUTIO</end_working_",
        "<s",
        "</e",
        "x",
        "é<😀",
    ];
    for piece in pieces {
        for length in [1_000, 10_000, 100_000, 1_000_000] {
            let (bytes, work) = work_for(piece, length);
            // Once for the search, once for the trailing text, and at most a tag's length for three bytes `</e`.
            assert!(work <= 8 * bytes + 64, "{piece:?}: {work} steps for {bytes} bytes");
        }
    }
}

fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(THINKING_OPEN.to_owned()),
        Just(THINKING_CLOSE.to_owned()),
        Just(ANSWER_OPEN.to_owned()),
        Just(ANSWER_CLOSE.to_owned()),
        Just("<sOLUTION>".to_owned()),
        Just("</SOLUTIO".to_owned()),
        Just("<".to_owned()),
        Just("é\u{17f}\u{212a}".to_owned()),
        "[ -~]{0,6}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn one_pass_reads_what_repeated_search_reads(text in soup()) {
        prop_assert_eq!(Reading::of(&text), naive(&text));
    }

    #[test]
    fn any_text_has_a_reading(text in any::<String>()) {
        let reading = Reading::of(&text);
        prop_assert_eq!(reading.content(&text).is_some(), reading.block.is_some());
        prop_assert!(reading.trailing().is_none_or(|trailing| trailing <= text.chars().count()));
    }
}
