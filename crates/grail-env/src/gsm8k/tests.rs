use super::*;
use crate::Environment;
use proptest::prelude::*;
use std::{io::Read as _, path::PathBuf};

fn environment(jsonl: &str) -> Result<Gsm8k, EnvError> {
    Gsm8k::new(Arc::new(JsonlRows::read(jsonl.as_bytes()).unwrap()))
}

fn row(question: &str, answer: &str) -> String {
    serde_json::json!({"question": question, "answer": answer}).to_string() + "\n"
}

fn mini() -> Gsm8k {
    environment(include_str!("../../../../fixtures/datasets/gsm8k-mini.jsonl")).unwrap()
}

fn one(answer: &str) -> Gsm8kProblem {
    environment(&row("How many?", answer)).unwrap().draw(&ProblemSeed::from_bytes([0; 32])).unwrap()
}

#[test]
fn gold_is_the_number_after_the_last_mark() {
    let read = |text| gold(text).map(|gold| gold.to_string());
    assert_eq!(read("work\n#### 1,234").as_deref(), Some("1234"));
    assert_eq!(read("####5").as_deref(), Some("5"));
    assert_eq!(read("a #### 1\n#### -2.50\n").as_deref(), Some("-2.5"));
    assert_eq!(read("#### $18.").as_deref(), Some("18"));
    for text in ["", "72", "#### ", "#### twelve", "#### 12 apples", "#### 5 #### "] {
        assert_eq!(read(text), None, "{text:?}");
    }
}

#[test]
fn commas_may_stand_on_either_side() {
    for (gold, answer, right) in [
        ("#### 1,234", "1234", true),
        ("#### 1234", "1,234", true),
        ("#### 1,234", "$1,234.00", true),
        ("#### 1,234", "1.234", false),
        ("#### 1,234", "1", false),
        ("#### 0.1", ".10", true),
        ("#### 3", "2.9999999999999999999999999", false),
        ("#### 9007199254740993", "9007199254740992", false),
    ] {
        assert_eq!(one(gold).judge(&reply("so", answer)).success, right, "{gold} {answer}");
    }
}

#[test]
fn one_word_problem_has_one_solution_however_it_is_worded() {
    let problem = one("#### 1,234");
    let key = |completion: &str| problem.judge(completion).solution;
    let plain = key("<SOLUTION>1234</SOLUTION>");
    assert!(plain.is_some());
    assert_eq!(key("so</end_working_out><solution>$1,234.0</solution> bye"), plain);
    assert_eq!(key("<SOLUTION>1235</SOLUTION>"), None);
    let other = environment(&row("How much?", "#### 1,234")).unwrap();
    let other = other.draw(&ProblemSeed::from_bytes([0; 32])).unwrap();
    assert_ne!(other.judge("<SOLUTION>1234</SOLUTION>").solution, plain);
}

#[test]
fn the_identity_follows_every_character_and_the_order() {
    let (a, b) = (row("A?", "#### 1"), row("B?", "#### 2"));
    let id = |jsonl: &str| environment(jsonl).unwrap().id().to_string();
    let base = id(&format!("{a}{b}"));
    assert_eq!(base.len(), "gsm8k/1:".len() + 32);
    assert_ne!(id(&format!("{b}{a}")), base);
    assert_ne!(id(&a), base);
    assert_ne!(id(&format!("{}{b}", row("A?", "#### 1 "))), base);
    // What is not part of a row is not part of the identity.
    assert_eq!(id(&format!("\n{a}\r\n{b}")), base);
}

#[test]
fn bad_data_sets_are_named() {
    let read = |jsonl: &[u8]| JsonlRows::read(jsonl).map(|rows| rows.count());
    assert!(matches!(read(b""), Err(RowsError::Empty)));
    assert!(matches!(read(b"\n \n"), Err(RowsError::Empty)));
    assert!(matches!(read(b"{\"question\": \"q\"}"), Err(RowsError::Row { line: 1, .. })));
    assert!(matches!(read(b"\n{\"question\": 1, \"answer\": \"a\"}"), Err(RowsError::Row { line: 2, .. })));
    assert!(matches!(read(b"\xff"), Err(RowsError::Row { line: 1, .. })));
    let long = row(&"q".repeat(LONGEST_TEXT + 1), "#### 1");
    assert!(matches!(read(long.as_bytes()), Err(RowsError::Length { line: 1, .. })));
    assert!(matches!(read(&vec![b' '; MOST_BYTES + 1]), Err(RowsError::TooLarge { .. })));
    let goldless = row("q", "#### 1") + &row("q", "none");
    assert!(matches!(environment(&goldless), Err(EnvError::Gold { row: 1 })));
}

#[derive(Debug)]
struct Broken(u32);

impl Rows for Broken {
    fn count(&self) -> u32 {
        self.0
    }
    fn row(&self, _: u32) -> Option<Row<'_>> {
        None
    }
}

#[test]
fn a_data_set_that_lacks_its_rows_is_refused() {
    assert!(matches!(Gsm8k::new(Arc::new(Broken(0))), Err(EnvError::NoRows)));
    assert!(matches!(Gsm8k::new(Arc::new(Broken(1))), Err(EnvError::MissingRow { row: 0 })));
}

#[test]
fn seeds_reach_every_row() {
    let mini = mini();
    let mut seen = [0u32; 12];
    for number in 0..1_200u32 {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        seen[mini.draw(&ProblemSeed::from_bytes(bytes)).unwrap().row() as usize] += 1;
    }
    assert!(seen.iter().all(|&count| (50..=150).contains(&count)), "{seen:?}");
}

#[test]
fn the_prompt_quotes_the_question_and_its_example_is_in_form() {
    let problem = one("#### 7");
    let messages = problem.messages();
    assert!(messages.last().unwrap().content.contains("How many?"));
    let example = messages.iter().find(|message| message.role == Speaker::Assistant).unwrap();
    assert_eq!(problem.judge(&example.content).reward.total(), crate::reward::Reward::MAX);
}

/// The published data beside the checkout, where it is at hand.
#[expect(clippy::disallowed_methods, reason = "where shared data lies is said by a variable, for tests only")]
fn published(split: &str) -> Option<JsonlRows> {
    let shared = std::env::var_os("GRAIL_SHARED_DIR").map(PathBuf::from).or_else(|| {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        here.ancestors().map(|folder| folder.join("shared")).find(|folder| folder.is_dir())
    })?;
    let packed = std::fs::read(shared.join(format!("data/gsm8k/{split}.jsonl.gz"))).ok()?;
    let mut jsonl = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut jsonl).unwrap();
    Some(JsonlRows::read(&jsonl).unwrap())
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn every_published_gold_answer_is_a_number_that_earns_the_full_reward() {
    for (split, count, commas) in [("train", 7_473, 79), ("test", 1_319, 14)] {
        let Some(rows) = published(split) else {
            eprintln!("SKIPPED: the published GSM8K rows ({split}) are not beside this checkout");
            continue;
        };
        assert_eq!(rows.count(), count);
        let mut with_comma = 0;
        for index in 0..count {
            let answer = rows.row(index).unwrap().answer;
            let gold_text = answer.rsplit_once("####").unwrap().1;
            with_comma += u32::from(gold_text.contains(','));
            let outcome = one(answer).judge(&reply("so", gold_text));
            assert_eq!(outcome.reward.total(), crate::reward::Reward::MAX, "row {index}: {gold_text}");
        }
        // The published implementation can never match these.
        assert!(with_comma >= commas, "{with_comma} golds with commas");
        let environment = Environment::Gsm8k(Gsm8k::new(Arc::new(rows)).unwrap());
        assert!(environment.id().unwrap().as_str().starts_with("gsm8k/1:"));
    }
}

proptest! {
    #[test]
    fn any_text_has_a_verdict(text in any::<String>()) {
        let outcome = one("#### 5").judge(&text);
        prop_assert!(!outcome.success || outcome.answer.is_some());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = JsonlRows::read(&bytes);
    }

    #[test]
    fn integers_are_right_exactly_when_equal(gold: i32, answer: i32, same: bool) {
        let answer = if same { gold } else { answer };
        let problem = one(&format!("#### {gold}"));
        prop_assert_eq!(problem.judge(&reply("so", &answer.to_string())).success, gold == answer);
    }
}
