//! The page as a whole: a realistic story, and the stories that break pages.

use super::{page as write, *};
use crate::rehearsal::story::{CheckpointPoint, EvaluationPoint, MinerLine, Statement};
use std::collections::BTreeMap;

fn page(story: &Story) -> String {
    write(story).unwrap()
}

/// A window with 32 rollouts of which a share is right.
pub(super) fn window(number: u64, right: f64) -> WindowPoint {
    WindowPoint {
        window: number,
        env: "gsm8k/1".into(),
        checkpoint: number / 90,
        rollouts: 32,
        mean_reward: Some(right * 0.9 + 0.05),
        pass_rate: Some(right),
        refused: BTreeMap::new(),
        tokens_per_second: Some(800.0),
    }
}

/// A miner that did nothing yet.
pub(super) fn miner(name: &str, part: &str) -> MinerLine {
    MinerLine {
        name: name.into(),
        part: part.into(),
        weights: Vec::new(),
        tokens_per_second: Vec::new(),
        verified: 0,
        refused: BTreeMap::new(),
    }
}

/// The same numbers for every run, spread over `-0.5..0.5`.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1u64 << 24) as f64 - 0.5
    }
}

/// A model that learns, two honest miners, and one that lies.
fn sample(windows: u64) -> Story {
    let mut noise = Noise(7);
    let mut story = empty();
    story.miners = vec![
        miner("honest-1", "honest"),
        miner("honest-2", "honest"),
        miner("fake-sketch", "cheats: uploads constant sketches"),
    ];
    for at in 0..windows {
        let number = 30 * at;
        let progress = at as f64 / windows as f64;
        let right = 0.2 + 0.5 * progress + 0.16 * noise.next();
        let mut point = window(number, right.clamp(0.0, 1.0));
        let lies = 28 + (8.0 * noise.next()) as u64;
        point.refused = BTreeMap::from([("sketch-rms".into(), lies), ("draw-margin".into(), 32 - lies)]);
        let share = 0.5 + 0.2 * noise.next();
        let rates = [430.0 + 60.0 * noise.next(), 380.0 + 60.0 * noise.next(), 510.0 + 40.0 * noise.next()];
        point.tokens_per_second = Some(rates[0] + rates[1]);
        for ((miner, share), rate) in story.miners.iter_mut().zip([share, 1.0 - share, 0.0]).zip(rates) {
            miner.weights.push((number, share));
            miner.tokens_per_second.push((number, rate));
            miner.verified += if miner.part == "honest" { 16 } else { 0 };
        }
        for (code, many) in &point.refused {
            *story.miners[2].refused.entry(code.clone()).or_default() += many;
        }
        if at % 3 == 0 {
            let (sequence, full) = (at / 3, at % 24 == 0);
            let delta = 2.4e6 + 1.5e6 * noise.next();
            story.checkpoints.push(CheckpointPoint {
                sequence,
                window: number,
                kind: if full { "full" } else { "delta" }.into(),
                whole_bytes: 269_000_000,
                sent_bytes: if full { 241_000_000 } else { delta as u64 },
            });
            story
                .evaluations
                .extend((at % 6 == 0).then(|| evaluation(sequence, number, 0.22 + 0.44 * progress)));
        }
        story.windows.push(point);
    }
    for (statement, holds) in [
        ("30 windows were judged", true),
        ("no rollout of honest-1 was refused", true),
        ("no rollout of honest-2 was refused", true),
        ("no rollout of fake-sketch counts", true),
        ("fake-sketch has no weight on the chain", true),
        ("the model is right more often in the last third than in the first", true),
    ] {
        story.expectations.push(Statement { statement: statement.into(), holds });
    }
    story
}

fn evaluation(sequence: u64, window: u64, right: f64) -> EvaluationPoint {
    EvaluationPoint {
        sequence,
        window,
        problems: 128,
        answers: 8,
        pass_at_1: right,
        pass_at_k: (right + 0.18).min(1.0),
        k: 4,
        mean_reward: right * 0.9 + 0.05,
        components: BTreeMap::from([("format".into(), 0.6 + right / 3.0), ("right".into(), right)]),
    }
}

fn empty() -> Story {
    Story {
        network: "devnet-7f3a".into(),
        model: "HuggingFaceTB/SmolLM2-135M-Instruct".into(),
        seconds: 4_382.0,
        passed: true,
        windows: Vec::new(),
        miners: Vec::new(),
        checkpoints: Vec::new(),
        evaluations: Vec::new(),
        expectations: Vec::new(),
    }
}

/// Every tag that opens also closes, in order; an odd text would show here.
#[track_caller]
fn assert_well_formed(html: &str) {
    let mut open = Vec::new();
    let (_, body) = html.split_once("</style>").unwrap();
    for tag in body.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("unclosed: {tag}"));
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') && tag != "/head" && tag != "/html" {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.ends_with('/') && !tag.starts_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    for odd in ["NaN", "inf", "=\"\"", "\"-\""] {
        assert!(!body.replace("information", "").contains(odd), "{odd} in {body}");
    }
}

#[test]
fn a_whole_story_shows_every_part() {
    let html = page(&sample(30));
    assert_well_formed(&html);
    for part in [
        "✓ passed",
        "HuggingFaceTB&#x2f;SmolLM2-135M-Instruct",
        "1\u{a0}h 13\u{a0}min for 30\u{a0}windows",
        "Rollouts verified</h3><b>960</b>",
        "Lies refused</h3><b>960</b>",
        "Share of accepted rollouts whose answer is right",
        "evaluation, pass@4",
        "fake-sketch (weight in no window)",
        "sent, delta",
        "cheats: uploads constant sketches",
        "the model is right more often",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(html.matches("<svg class=\"plot\" viewBox=\"0 0 1920").count(), 6);
    assert_eq!(html.matches("<details>").count(), 6);
}

#[test]
fn names_cannot_become_markup() {
    let mut story = sample(3);
    let name = "<script>alert('\"&amp;\"')</script>";
    (story.network, story.model) = (name.into(), name.into());
    story.miners[0].name = name.into();
    story.miners[1].part = name.into();
    story.windows[0].env = name.into();
    story.windows[1].refused = BTreeMap::from([(name.into(), 3)]);
    story.checkpoints[0].kind = name.into();
    story.evaluations[0].components = BTreeMap::from([(name.into(), 0.5)]);
    story.expectations[0].statement = name.into();
    let html = page(&story);
    assert_well_formed(&html);
    assert!(!html.contains("<script") && !html.contains("alert('"));
    assert!(html.contains("&lt;script&gt;alert(&#x27;&quot;&amp;amp;&quot;&#x27;)&lt;&#x2f;script&gt;"));
}

#[test]
fn letters_that_html_cannot_write_are_replaced() {
    let mut story = empty();
    story.network = "a\0b\u{1b}c\n<".into();
    assert!(page(&story).contains("<dd>a\u{fffd}b\u{fffd}c\n&lt;</dd>"));
}

#[test]
fn the_page_asks_for_nothing_from_outside() {
    let html = page(&sample(30));
    for outside in ["http://", "https://", "url(", "@import", "<script", "<link", "<img", "src="] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn an_empty_story_says_what_there_is_not() {
    let html = page(&empty());
    assert_well_formed(&html);
    for nothing in [
        "no window was judged",
        "there is no share of right ones",
        "there is no mean reward",
        "No weight was set.",
        "No rollout was refused.",
        "No miner told how fast it writes.",
        "No checkpoint was published.",
        "Nobody mined.",
        "No checkpoint was evaluated.",
        "Nothing was expected.",
    ] {
        assert!(html.contains(nothing), "{nothing}");
    }
}

#[test]
fn one_window_has_no_change_to_tell() {
    let html = page(&sample(1));
    assert_well_formed(&html);
    assert!(html.contains("one window was judged") && !html.contains("→"));
    assert_eq!(html.matches("<svg class=\"plot\" viewBox=\"0 0 1920").count(), 6);
}

#[test]
fn evaluations_without_windows_have_an_axis() {
    let mut story = empty();
    story.evaluations = vec![evaluation(0, 0, 0.2), evaluation(1, 90, 0.4)];
    let html = page(&story);
    assert_well_formed(&html);
    assert!(html.contains("evaluation of checkpoint 1 at window 90"));
}

#[test]
fn evaluations_that_differ_in_k_say_so_and_those_of_one_answer_are_told_once() {
    let mut story = sample(12);
    assert!(page(&story).contains("pass@4</th>"));
    story.evaluations[1].k = 8;
    let html = page(&story);
    assert!(html.contains("pass@k</th>") && html.contains("(k = 8)</td>"));
    story.evaluations.iter_mut().for_each(|evaluation| evaluation.k = 1);
    let html = page(&story);
    assert_well_formed(&html);
    assert_eq!(html.matches("pass@1</th>").count(), 1);
}

#[test]
fn numbers_that_are_none_reach_no_picture() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut story = sample(8);
        story.seconds = odd;
        story.windows[2].pass_rate = Some(odd);
        story.windows[3].mean_reward = Some(odd);
        story.windows[4].tokens_per_second = Some(odd);
        story.miners[0].weights[1].1 = odd;
        story.miners[0].weights[7].1 = odd;
        story.miners[0].tokens_per_second[1].1 = odd;
        story.evaluations[1].pass_at_1 = odd;
        story.evaluations[1].mean_reward = odd;
        story.evaluations[0].components.insert("odd".into(), odd);
        story.checkpoints[0].whole_bytes = 0;
        assert_well_formed(&page(&story));
    }
}

#[test]
fn windows_without_any_number_are_still_a_page() {
    let mut story = sample(5);
    for window in &mut story.windows {
        (window.rollouts, window.pass_rate, window.mean_reward) = (0, None, None);
        window.tokens_per_second = None;
    }
    story.evaluations.clear();
    let html = page(&story);
    assert_well_formed(&html);
    assert!(html.contains("there is no share of right ones"));
}

#[test]
fn a_thousand_windows_stay_below_two_megabytes() {
    let html = page(&sample(1_000));
    assert_well_formed(&html);
    assert!(html.len() < 2_000_000, "{} bytes", html.len());
}

#[test]
fn a_failed_rehearsal_names_what_was_missed_first() {
    let mut story = sample(3);
    story.passed = false;
    story.expectations[3].holds = false;
    let html = page(&story);
    assert_well_formed(&html);
    assert!(html.contains("✗ failed") && html.contains("1 of 6\u{a0}expectations missed"));
    let (first, last) = (html.find("no rollout of fake-sketch").unwrap(), html.find("<h2>").unwrap());
    assert!(first < last);
}

#[test]
fn the_headline_compares_the_thirds() {
    let mut story = empty();
    story.windows = (0..6).map(|at| window(at, if at < 2 { 0.25 } else { 0.75 })).collect();
    let html = page(&story);
    assert!(html.contains("<b>25\u{a0}%<span class=\"to\">→</span>75\u{a0}%</b>"), "{html}");
}
