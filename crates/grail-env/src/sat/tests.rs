use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn seed(number: u32) -> ProblemSeed {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    ProblemSeed::from_bytes(bytes)
}

fn draw(number: u32) -> SatProblem {
    SatProblem::draw(&seed(number)).unwrap()
}

/// Evaluates clauses as they are printed, sharing nothing with the bit masks.
fn naive_holds(problem: &SatProblem, bits: &str) -> bool {
    let value = |literal: &Literal| {
        let bit = bits.as_bytes()[usize::from(literal.variable)] == b'1';
        bit == literal.positive
    };
    problem.formula().clauses().iter().all(|clause| clause.literals().iter().any(value))
}

#[test]
fn shares_sum_to_32_and_cut_the_tickets_in_order() {
    assert_eq!(SHARES.iter().map(|&share| u32::from(share)).sum::<u32>(), 32);
    let counts = (0..32).map(difficulty_of).fold([0u8; 8], |mut counts, difficulty| {
        counts[usize::from(difficulty)] += 1;
        counts
    });
    assert_eq!(counts, SHARES);
    assert!((0..31).all(|ticket| difficulty_of(ticket) <= difficulty_of(ticket + 1)));
}

#[test]
fn difficulties_come_with_their_shares_and_sizes_follow() {
    const DRAWS: u32 = 8_000;
    let mut counts = [0u32; 8];
    for number in 0..DRAWS {
        let problem = draw(number);
        let difficulty = problem.difficulty();
        counts[usize::from(difficulty)] += 1;
        assert_eq!(problem.formula().variables(), 3 + difficulty);
        assert_eq!(problem.formula().clauses().len(), 5 + 2 * usize::from(difficulty));
    }
    for (count, share) in counts.into_iter().zip(SHARES) {
        let expected = DRAWS * u32::from(share) / 32;
        // Five standard deviations of the widest of these binomials.
        assert!(count.abs_diff(expected) < 200, "{counts:?}");
    }
}

#[test]
fn clauses_have_three_rising_variables_and_fair_signs() {
    let mut positive = 0u32;
    let mut literals = 0u32;
    let mut uses = [0u32; 3];
    for number in 0..3_000 {
        let problem = draw(number);
        for clause in problem.formula().clauses() {
            let [a, b, c] = clause.literals();
            assert!(a.variable < b.variable && b.variable < c.variable);
            assert!(c.variable < problem.formula().variables());
            positive += clause.literals().iter().map(|literal| u32::from(literal.positive)).sum::<u32>();
            literals += 3;
        }
        if problem.difficulty() == 3 {
            for literal in problem.formula().clauses().iter().flat_map(Clause::literals) {
                uses[usize::from(literal.variable / 2)] += 1;
            }
        }
    }
    assert!(positive.abs_diff(literals / 2) < literals / 100, "{positive} of {literals}");
    let third = uses.iter().sum::<u32>() / 3;
    assert!(uses.iter().all(|count| count.abs_diff(third) < third / 10), "{uses:?}");
}

#[test]
fn formulas_without_a_solution_are_rare_and_never_asked() {
    let mut stream = seed(1).stream();
    for difficulty in 0..8u8 {
        let unsatisfiable = (0..2_000)
            .filter(|_| {
                let formula = Formula::draw(&mut stream, 3 + difficulty, 5 + 2 * difficulty).unwrap();
                formula.solutions().next().is_none()
            })
            .count();
        assert!(unsatisfiable <= 2, "{unsatisfiable} of 2,000 at difficulty {difficulty}");
    }
    assert!((0..2_000).all(|number| draw(number).formula().solutions().next().is_some()));
}

#[test]
fn sizes_out_of_range_make_no_formula() {
    assert_eq!(Formula::draw(&mut seed(1).stream(), 2, 5), None);
    assert_eq!(Formula::draw(&mut seed(1).stream(), 11, 5), None);
}

#[test]
fn answers_are_bits_with_separators_and_nothing_else() {
    let read = |text| Assignment::read(text, 3).map(|assignment| assignment.text(3));
    for text in ["101", "1 0 1", " 1,0,1\n", "1, 0,\t1\r\n", ",1 01"] {
        assert_eq!(read(text).as_deref(), Some("101"), "{text:?}");
    }
    for text in
        ["", " ", "10", "1010", "1 0 2", "x1=1 x2=0 x3=1", "1;0;1", "true", "１01", "1 0 1.", "[1 0 1]"]
    {
        assert_eq!(read(text), None, "{text:?}");
    }
    assert_eq!(Assignment::read(&"1".repeat(300), 44), None);
}

#[test]
fn order_and_repetition_of_clauses_do_not_make_another_problem() {
    let problem = draw(3);
    let reversed =
        Formula::from_clauses(3 + problem.difficulty(), problem.formula().clauses().iter().rev().copied());
    let doubled = Formula::from_clauses(
        3 + problem.difficulty(),
        problem.formula().clauses().iter().flat_map(|&clause| [clause, clause]),
    );
    let bytes = problem.formula().canonical_bytes();
    assert_eq!(reversed.canonical_bytes(), bytes);
    assert_eq!(doubled.canonical_bytes(), bytes);
    assert_ne!(draw(4).formula().canonical_bytes(), bytes);
}

#[test]
fn solutions_of_one_problem_have_one_key_each_however_they_are_worded() {
    let problem = draw(5);
    let count = problem.formula().variables();
    let keys: BTreeSet<_> = problem
        .formula()
        .solutions()
        .flat_map(|assignment| {
            let plain = assignment.text(count);
            let spaced: Vec<String> = plain.chars().map(String::from).collect();
            let right = |answer: &str| problem.judge(&reply("so", answer)).solution.unwrap();
            assert_eq!(right(&plain), right(&spaced.join(", ")));
            [right(&plain)]
        })
        .collect();
    assert_eq!(keys.len(), problem.formula().solutions().count());
}

#[test]
fn the_prompt_names_tags_count_and_every_clause() {
    for number in 0..200 {
        let problem = draw(number);
        let messages = problem.messages();
        let last = messages.last().unwrap();
        assert_eq!(last.role, Speaker::User);
        assert!(last.content.contains(&problem.formula().to_string()));
        let example = messages.iter().find(|message| message.role == Speaker::Assistant).unwrap();
        // The worked example is itself readable and has the right number of bits.
        assert!(problem.judge(&example.content).answer.is_some());
        assert_eq!(problem.judge(&example.content).reward.total().hundred_thousandths() % 70_000, 11_500);
    }
}

proptest! {
    #[test]
    fn the_verdict_agrees_with_naive_evaluation(number: u32, bits in "[01]{10}", trailing in "[a-z]{0,5}") {
        let problem = draw(number);
        let bits = &bits[..usize::from(problem.formula().variables())];
        let outcome = problem.judge(&format!("{}{trailing}", reply("so", bits)));
        prop_assert_eq!(outcome.success, naive_holds(&problem, bits));
        prop_assert_eq!(outcome.answer.as_deref(), Some(bits));
        prop_assert_eq!(outcome.solution.is_some(), outcome.success);
        let want = u32::from(outcome.success) * 70_000 + 11_500 - 5 * u32::try_from(trailing.len()).unwrap();
        prop_assert_eq!(outcome.reward.total().hundred_thousandths(), want);
    }

    #[test]
    fn any_text_has_a_verdict(number: u32, text in any::<String>()) {
        let outcome = draw(number).judge(&text);
        prop_assert!(!outcome.success || outcome.answer.is_some());
    }

    #[test]
    fn assignments_read_back_what_they_print(bits in 0u16..1024, variables in 3u8..=10) {
        let assignment = Assignment(bits & ((1 << variables) - 1));
        prop_assert_eq!(Assignment::read(&assignment.text(variables), variables), Some(assignment));
    }
}
