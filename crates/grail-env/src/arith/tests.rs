use super::*;
use crate::Environment;
use crate::reward::Reward;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn seed(number: u32) -> ProblemSeed {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    ProblemSeed::from_bytes(bytes)
}

fn draw(level: u8, number: u32) -> ArithProblem {
    Arith::new(level).unwrap().draw(&seed(number))
}

/// A problem of one's own choice; `draw` alone makes them elsewhere.
fn problem(left: u32, sign: Operation, right: u32) -> ArithProblem {
    let wanted = (left, sign, right);
    let parts = |problem: &ArithProblem| (problem.left(), problem.sign(), problem.right());
    (0..).map(|number| draw(1, number)).find(|problem| parts(problem) == wanted).unwrap()
}

#[test]
fn levels_are_one_to_four_and_another_is_refused_by_name() {
    let all = Arith::all().unwrap();
    assert_eq!(all.iter().map(Arith::level).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(all.iter().map(Arith::largest).collect::<Vec<_>>(), [9, 19, 99, 999]);
    for level in [0, 5, 255] {
        let error = Arith::new(level).unwrap_err();
        assert!(matches!(error, EnvError::Level { level: named } if named == level));
        assert_eq!(error.to_string(), format!("arith has no level {level}; its levels are 1 to 4"));
    }
}

#[test]
fn each_level_is_an_environment_of_its_own() {
    let environments: Vec<_> = Arith::all().unwrap().into_iter().map(Environment::Arith).collect();
    let ids: Vec<_> = environments.iter().map(|one| one.id().unwrap().to_string()).collect();
    assert_eq!(ids, ["arith/1:1", "arith/1:2", "arith/1:3", "arith/1:4"]);
    assert!(environments.iter().all(|one| one.name() == "arith"));
    // The sum 0 + 0 comes up on every level, and is another problem on each.
    let zero = |level| {
        let zero = |problem: &ArithProblem| problem.to_string() == "0 + 0";
        (0..).map(|number| draw(level, number)).find(zero).unwrap()
    };
    let keys: BTreeSet<_> =
        [1, 2, 3].map(|level| zero(level).judge("<SOLUTION>0</SOLUTION>").solution).into();
    assert_eq!(keys.len(), 3);
    assert!(!keys.contains(&None));
}

#[test]
fn numbers_stay_in_range_and_no_result_is_negative() {
    for (level, largest) in (1..).zip(LARGEST) {
        let mut seen = BTreeSet::new();
        for number in 0..4_000 {
            let problem = draw(level, number);
            let (left, right) = (problem.left(), problem.right());
            assert!(left <= largest && right <= largest, "{problem}");
            match problem.sign() {
                Operation::Plus => assert_eq!(problem.result(), left + right),
                Operation::Minus => assert_eq!(problem.result().checked_add(right), Some(left), "{problem}"),
            }
            seen.extend([left, right]);
        }
        // Both ends of the range come up, and on the small levels everything between.
        assert_eq!((seen.first(), seen.last()), (Some(&0), Some(&largest)));
        assert!(level == 4 || seen.len() == largest as usize + 1, "{} numbers on level {level}", seen.len());
    }
}

#[test]
fn signs_are_fair_and_every_sum_is_as_likely_as_another() {
    const DRAWS: u32 = 40_000;
    let mut sums = BTreeMap::new();
    let mut differences = BTreeMap::new();
    for number in 0..DRAWS {
        let problem = draw(1, number);
        let counts = if problem.sign() == Operation::Plus { &mut sums } else { &mut differences };
        *counts.entry((problem.left(), problem.right())).or_insert(0u32) += 1;
    }
    // Five standard deviations of the coin are 500.
    let plus: u32 = sums.values().sum();
    assert!(plus.abs_diff(DRAWS / 2) < 500, "{plus} of {DRAWS}");
    assert_eq!((sums.len(), differences.len()), (100, 55));
    // Of 20,000 draws each of 100 pairs gets about 200; six standard deviations are 85.
    assert!(sums.values().all(|&count| count.abs_diff(200) < 85), "{sums:?}");
    for ((left, right), count) in differences {
        // Two draws in either order lead to one difference, but for equal numbers.
        let expected = if left == right { 200 } else { 400 };
        assert!(left >= right && u32::abs_diff(count, expected) < 120, "{left} - {right}: {count}");
    }
}

#[test]
fn the_order_of_a_sum_makes_another_problem() {
    let key = |problem: &ArithProblem| problem.judge(&problem.worked()).solution.unwrap();
    let sums =
        [problem(7, Operation::Plus, 5), problem(5, Operation::Plus, 7), problem(7, Operation::Plus, 4)];
    let differences = [problem(7, Operation::Minus, 5), problem(7, Operation::Minus, 4)];
    let keys: BTreeSet<_> = sums.iter().chain(&differences).map(key).collect();
    assert_eq!(keys.len(), 5);
    // Another seed with the same problem has the same key.
    let again = (0..2_000).map(|number| draw(1, number)).filter(|other| *other == sums[0]);
    let again: Vec<_> = again.map(|other| key(&other)).collect();
    assert!(again.len() > 1 && again.iter().all(|other| *other == key(&sums[0])));
}

#[test]
fn one_problem_has_one_solution_however_it_is_worded() {
    let problem = problem(7, Operation::Plus, 5);
    let key = |answer: &str| problem.judge(&reply("so", answer)).solution;
    let plain = key("12");
    assert!(plain.is_some());
    for answer in [" 12\n", "+12", "012", "12.0", "12.", "$12", "12%"] {
        assert_eq!(key(answer), plain, "{answer:?}");
    }
    for answer in ["", "11", "13", "-12", "1 2", "7 + 5", "7 + 5 = 12", "12 or 13", "1２", "12.0001", "1e1"]
    {
        assert_eq!(key(answer), None, "{answer:?}");
    }
}

#[test]
fn the_worked_reply_of_a_difference_reads_like_this() {
    let problem = problem(9, Operation::Minus, 4);
    assert_eq!(problem.worked(), "<start_working_out>9 - 4 = 5</end_working_out><SOLUTION>5</SOLUTION>");
}

#[test]
fn the_prompt_is_short_and_states_the_problem() {
    let messages = problem(9, Operation::Minus, 4).messages();
    assert_eq!(
        messages.iter().map(|message| message.role).collect::<Vec<_>>(),
        [Speaker::System, Speaker::User]
    );
    assert!(messages[1].content.starts_with("9 - 4\nReply like this: <start_working_out>"));
    let longest = |level| (0..500).map(|number| text(&draw(level, number)).len()).max().unwrap();
    assert!((1..=4).all(|level| longest(level) < 160));
}

/// The whole prompt in a line.
fn text(problem: &ArithProblem) -> String {
    problem.messages().into_iter().map(|message| message.content).collect()
}

#[test]
fn copying_from_the_prompt_earns_nothing_for_correctness() {
    for number in 0..2_000 {
        let problem = draw(1, number);
        let outcome = problem.judge(&text(&problem));
        // The form is a block as it should be, with nothing in it that could be a number.
        assert!(outcome.reading.block.is_some_and(|block| block.ordered));
        assert_eq!((outcome.answer, outcome.success), (None, false), "{problem}");
    }
}

proptest! {
    #[test]
    fn the_worked_reply_earns_the_full_reward(level in 1u8..=4, number: u32) {
        let problem = draw(level, number);
        let outcome = problem.judge(&problem.worked());
        prop_assert_eq!(outcome.reward.total(), Reward::MAX);
        prop_assert_eq!(outcome.answer, Some(problem.result().to_string()));
        prop_assert!(outcome.success && outcome.solution.is_some());
    }

    #[test]
    fn an_answer_is_right_exactly_when_it_is_the_result(
        level in 1u8..=4, number: u32, off in -3i64..=3, trailing in "[a-z]{0,5}",
    ) {
        let problem = draw(level, number);
        let answer = i64::from(problem.result()) + off;
        let outcome = problem.judge(&format!("{}{trailing}", reply("so", &answer.to_string())));
        prop_assert_eq!(outcome.success, off == 0);
        prop_assert_eq!(outcome.answer, Some(answer.to_string()));
        prop_assert_eq!(outcome.solution.is_some(), outcome.success);
        let want = u32::from(off == 0) * 70_000 + 11_500 - 5 * u32::try_from(trailing.len()).unwrap();
        prop_assert_eq!(outcome.reward.total().hundred_thousandths(), want);
    }

    #[test]
    fn any_text_has_a_verdict(level in 1u8..=4, number: u32, text in any::<String>()) {
        let outcome = draw(level, number).judge(&text);
        prop_assert!(!outcome.success || outcome.answer.is_some());
    }

    #[test]
    fn any_content_of_an_answer_block_has_a_verdict(number: u32, content in any::<String>()) {
        let problem = draw(1, number);
        let outcome = problem.judge(&reply("so", &content));
        prop_assert!(!outcome.success || outcome.answer == Some(problem.result().to_string()));
    }

    #[test]
    fn a_seed_has_the_same_problem_always(level in 1u8..=4, bytes: [u8; 32]) {
        let environment = Arith::new(level).unwrap();
        let seed = ProblemSeed::from_bytes(bytes);
        let problem = environment.draw(&seed);
        prop_assert_eq!(&environment.draw(&seed), &problem);
        prop_assert!(problem.left().max(problem.right()) <= environment.largest());
    }
}

#[test]
fn a_reply_without_its_answer_earns_the_working_out_alone() {
    let problem = Arith::new(1).unwrap().draw(&ProblemSeed::from_bytes([3; 32]));
    let outcome = problem.judge(&problem.unanswered());
    assert!(!outcome.success && outcome.answer.is_none());
    assert_eq!(outcome.reward.total().hundred_thousandths(), 7_500);
    assert!(problem.worked().starts_with(&problem.unanswered()));
}
