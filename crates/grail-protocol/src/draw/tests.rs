use super::*;
use proptest::prelude::*;

const KEY: DrawKey = DrawKey::from_bytes([42; 32]);

fn logits(seed: u64, count: usize, spread: f32) -> Vec<f32> {
    let mut stream = crate::stream::Stream::new(&[9; 32], seed);
    (0..count).map(|_| (stream.word() as f32 / u32::MAX as f32 - 0.5) * spread).collect()
}

fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::MIN, f32::max);
    let weights: Vec<f64> = logits.iter().map(|z| (f64::from(z - max) / temperature).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

/// The rule as the book states it, without any shortcut.
fn draw_slowly(logits: &[f32], policy: &SamplingPolicy, key: &DrawKey, t: u32) -> TokenId {
    let p = softmax(logits, f64::from(policy.temperature));
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[b].total_cmp(&p[a]).then(a.cmp(&b)));
    let noise = Noise::new(key, t);
    let (mut mass, mut best) = (0.0, (TokenId::MAX, f64::NEG_INFINITY));
    for (rank, &v) in order.iter().enumerate() {
        if rank > 0 && mass >= f64::from(policy.top_p) {
            break;
        }
        mass += p[v];
        let token = v as TokenId;
        let score = f64::from(logits[v]) / f64::from(policy.temperature) + noise.gumbel(token);
        if score > best.1 || (score == best.1 && token < best.0) {
            best = (token, score);
        }
    }
    best.0
}

proptest! {
    #[test]
    fn shortcuts_change_nothing(seed: u64, count in 1usize..3_000, spread in 0.1f32..40.0, t: u32,
                                temperature in 0.3f32..2.0, top_p in 0.05f32..1.0) {
        let logits = logits(seed, count, spread);
        let policy = SamplingPolicy { temperature, top_p };
        let drawn = Sampler::new().draw(&logits, &policy, &KEY, t).unwrap();
        prop_assert_eq!(drawn.token, draw_slowly(&logits, &policy, &KEY, t));
        let p = softmax(&logits, f64::from(temperature))[drawn.token as usize];
        prop_assert!((f64::from(drawn.logprob) - p.ln()).abs() < 2e-5);
    }

    #[test]
    fn an_honest_token_has_no_margin(seed: u64, count in 2usize..2_000, t: u32) {
        let logits = logits(seed, count, 12.0);
        let mut sampler = Sampler::new();
        let policy = SamplingPolicy::DEFAULT;
        let drawn = sampler.draw(&logits, &policy, &KEY, t).unwrap();
        let reading = sampler.read(&logits, &policy, 1e-4, &KEY, t, drawn.token).unwrap();
        prop_assert_eq!(reading.margin, 0.0);
        prop_assert!(reading.in_outer);
        prop_assert_eq!(reading.winner, drawn.token);
        prop_assert_eq!(reading.logprob, drawn.logprob);
        prop_assert!((0.0..=1.0).contains(&reading.gini));
    }
}

proptest! {
    #[test]
    fn ties_only_widen_what_is_possible_and_narrow_what_is_certain(seed: u64, count in 1usize..300, spread in 0.0f32..12.0,
                                                                  top_p in 0.1f64..0.99, slack in 0.0f64..0.01) {
        let logits = logits(seed, count, spread);
        let mut nucleus = Nucleus::default();
        nucleus.prepare(&logits, &SamplingPolicy { temperature: 1.0, top_p: top_p as f32 }).unwrap();
        let tie = TIE_PER_SLACK * slack;
        let tokens = |set: Vec<(TokenId, f64)>| set.into_iter().map(|(token, _)| token).collect::<Vec<_>>();
        let within = tokens(nucleus.within(&logits, top_p).collect());
        let certain = tokens(nucleus.certain(&logits, top_p, tie).collect());
        prop_assert!(certain.iter().all(|token| within.contains(token)));
        for token in within {
            prop_assert!(nucleus.possible(&logits, top_p, tie, token));
        }
    }
}

/// Two tokens at the boundary, a hair apart, in one order for the miner and in the other for the verifier: only one of
/// them fits, and each side keeps another one.
#[test]
fn tokens_that_swap_places_at_the_boundary_decide_nothing() {
    let logits = |b: f32, c: f32| [0.94f32.ln(), 0.03f32.ln() + b, 0.03f32.ln() + c];
    let (mine, theirs) = (logits(1e-5, 0.0), logits(0.0, 1e-5));
    let policy = SamplingPolicy::DEFAULT;
    let mut sampler = Sampler::new();
    let mut differ = 0;
    for t in 0..5_000 {
        let claimed = sampler.draw(&mine, &policy, &KEY, t).unwrap().token;
        let reading = sampler.read(&theirs, &policy, 1e-4, &KEY, t, claimed).unwrap();
        assert!(reading.in_outer && reading.margin <= 3e-5, "step {t}: {claimed} against {reading:?}");
        differ += u32::from(reading.winner != claimed);
        assert!(!sampler.read(&theirs, &policy, 1e-4, &KEY, t, 1).is_ok_and(|r| !r.in_outer));
    }
    assert!(differ > 100, "the case must occur: {differ}");
}

#[test]
fn draws_follow_the_model() {
    // Four tokens with probabilities 0.1 to 0.4; frequencies over 40,000 steps.
    let logits = [0.1f32, 0.2, 0.3, 0.4].map(f32::ln);
    let policy = SamplingPolicy { temperature: 1.0, top_p: 1.0 };
    let mut sampler = Sampler::new();
    let mut counts = [0u32; 4];
    for t in 0..40_000 {
        counts[sampler.draw(&logits, &policy, &KEY, t).unwrap().token as usize] += 1;
    }
    for (count, want) in counts.iter().zip([4_000u32, 8_000, 12_000, 16_000]) {
        // Six standard deviations are at most 588.
        assert!(count.abs_diff(want) < 600, "{counts:?}");
    }
}

#[test]
fn a_foreign_token_shows_by_its_margin() {
    let logits = logits(5, 500, 10.0);
    let policy = SamplingPolicy::DEFAULT;
    let mut sampler = Sampler::new();
    let mut admissible = 0;
    let mut mass = 0.0;
    let p = softmax(&logits, 1.0);
    let winner = sampler.draw(&logits, &policy, &KEY, 0).unwrap().token;
    for token in (0..500).filter(|&token| token != winner) {
        let reading = sampler.read(&logits, &policy, 1e-4, &KEY, 0, token).unwrap();
        if reading.in_outer && reading.margin <= 0.01 {
            admissible += 1;
            mass += p[token as usize];
        }
    }
    assert!(admissible <= 2 && mass < 0.05, "{admissible} foreign tokens of mass {mass} pass");
}

#[test]
fn a_token_outside_the_outer_set_is_named() {
    let logits = [10.0, 0.0, -30.0];
    let mut sampler = Sampler::new();
    let reading = sampler.read(&logits, &SamplingPolicy::DEFAULT, 1e-4, &KEY, 3, 2).unwrap();
    assert!(!reading.in_outer);
    assert!(reading.margin > 10.0);
}

#[test]
fn equal_logits_tie_by_noise_and_then_by_id() {
    let noise = Noise::new(&KEY, 0);
    assert_eq!(best([(3, 0.0), (3, 0.0)].into_iter(), &noise).0, 3);
    assert_eq!(best([].into_iter(), &noise).0, TokenId::MAX);
}

#[test]
fn bad_logits_and_policies_are_our_faults_by_name() {
    let mut sampler = Sampler::new();
    let policy = SamplingPolicy::DEFAULT;
    assert_eq!(sampler.draw(&[], &policy, &KEY, 0), Err(DrawError::NotFinite { token: 0 }));
    assert_eq!(sampler.draw(&[1.0, f32::NAN], &policy, &KEY, 0), Err(DrawError::NotFinite { token: 1 }));
    let hot = SamplingPolicy { temperature: f32::NAN, top_p: 0.9 };
    assert!(matches!(sampler.draw(&[1.0], &hot, &KEY, 0), Err(DrawError::Policy { .. })));
    let none = SamplingPolicy { temperature: 1.0, top_p: 0.0 };
    assert!(matches!(sampler.draw(&[1.0], &none, &KEY, 0), Err(DrawError::Policy { .. })));
    let outside = sampler.read(&[1.0], &policy, 0.0, &KEY, 0, 7);
    assert_eq!(outside, Err(DrawError::Vocabulary { token: 7, vocabulary: 1 }));
}

proptest! {
    #[test]
    fn the_noise_of_a_word_stays_below_its_bound(word: u32, ones in 0u32..33) {
        // Words with many leading ones too, where the bound is tightest.
        for word in [word, word | !(u32::MAX.checked_shr(ones).unwrap_or(0)), u32::MAX, 0] {
            prop_assert!(gumbel_of(word) < gumbel_bound(word));
        }
    }
}

#[test]
fn the_noise_bound_holds() {
    let largest = -libm::log(-libm::log((f64::from(u32::MAX) + 0.5) / 4_294_967_296.0));
    assert!(largest < LARGEST_GUMBEL && largest > LARGEST_GUMBEL - 0.1, "{largest}");
}
