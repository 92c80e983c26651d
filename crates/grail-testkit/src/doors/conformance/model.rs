use grail_ports::model::{
    Answer, GenerationRule, Generator, GroupProbe, GroupRequest, ModelCard, Oracle, ProbeRollout, RolloutKeys,
};
use grail_protocol::{
    draw::SamplingPolicy,
    profile::NumericProfile,
    seed::ProblemSeed,
    words::{RolloutIndex, TokenId},
};

const RULE: GenerationRule = GenerationRule { policy: SamplingPolicy::DEFAULT, max_new_tokens: 12 };
/// Rollouts of a group.
const ROLLOUTS: u8 = 3;

fn group(seed: u8, prompt: &[TokenId]) -> GroupRequest {
    let problem = ProblemSeed::from_bytes([seed; 32]);
    let keys = |i| RolloutKeys { draw: problem.draw_key(i), sketch: problem.sketch_key(i) };
    GroupRequest { prompt: prompt.to_vec(), rollouts: (0..ROLLOUTS).map(RolloutIndex).map(keys).collect() }
}

fn is_a_card(card: &ModelCard) {
    assert!(card.width > 0 && card.context_length > 0 && !card.description.is_empty(), "{card:?}");
    assert!(!card.end_tokens.is_empty(), "a completion can end");
    assert!(card.end_tokens.iter().all(|end| *end < card.vocabulary), "{card:?}");
}

fn answer<G: Generator + ?Sized>(generator: &mut G, groups: &[GroupRequest]) -> Vec<Vec<Answer>> {
    generator.generate(groups, &RULE, &mut |_| true).expect("groups are answered")
}

fn tokens(answers: &[Vec<Answer>]) -> Vec<Vec<&[TokenId]>> {
    answers.iter().map(|group| group.iter().map(|answer| &answer.tokens[..]).collect()).collect()
}

/// Examines a generator with a prompt of its vocabulary.
///
/// # Panics
/// When a promise of [`Generator`] is broken.
pub fn generator<G: Generator + ?Sized>(generator: &mut G, prompt: &[TokenId]) {
    let card = generator.card().clone();
    is_a_card(&card);
    let (one, longer) = (group(1, prompt), group(2, &[prompt, prompt].concat()));
    let groups = [one.clone(), longer.clone(), one.clone()];
    let answers = answer(generator, &groups);
    assert_eq!(answers.len(), groups.len(), "one list for each group");
    for answer in answers.iter().flatten() {
        let length = answer.tokens.len();
        assert!((1..=RULE.max_new_tokens as usize).contains(&length), "{length} tokens, the cap is 12");
        assert_eq!((answer.sketch.len(), answer.logprobs.len()), (length, length), "one of each a token");
        assert!(answer.tokens.iter().all(|token| *token < card.vocabulary), "{:?}", answer.tokens);
        assert!(
            answer.logprobs.iter().all(|nats| nats.is_finite() && *nats <= 1e-5),
            "{:?}",
            answer.logprobs
        );
        let (last, body) = answer.tokens.split_last().expect("one at least");
        assert!(body.iter().all(|token| !card.end_tokens.contains(token)), "an end token ends it");
        assert!(length == 12 || card.end_tokens.contains(last), "nothing else ends it before the cap");
    }
    assert!(answers.iter().all(|rows| rows.len() == usize::from(ROLLOUTS)), "one answer for each rollout");
    let tokens_of = tokens(&answers);
    assert_eq!(tokens_of.first(), tokens_of.last(), "the same prompt and keys have the same answers");
    assert_ne!(tokens_of.first(), tokens_of.get(1), "others have others");
    let alone = answer_alone(generator, &longer);
    assert_eq!(tokens(&alone).first(), tokens_of.get(1), "company changes no answer");

    assert_eq!(answer(generator, &[]), Vec::<Vec<Answer>>::new(), "no group, no answer");
    let mut asked = 0;
    let stopped = generator.generate(&[one], &RULE, &mut |progress| {
        asked += 1;
        assert!(progress.live_rows <= u32::from(ROLLOUTS));
        false
    });
    assert!(asked > 0 && stopped.is_err(), "work that nobody wants stops");
    assert_eq!(generator.card(), &card, "the card stays");
}

fn answer_alone<G: Generator + ?Sized>(generator: &mut G, group: &GroupRequest) -> Vec<Vec<Answer>> {
    answer(generator, std::slice::from_ref(group))
}

/// Examines an oracle by what a generator of the same checkpoint answers.
///
/// # Panics
/// When a promise of [`Oracle`] is broken.
pub fn oracle<O: Oracle + ?Sized, G: Generator + ?Sized>(
    oracle: &mut O,
    generator: &mut G,
    prompt: &[TokenId],
) {
    is_a_card(oracle.card());
    assert_eq!(oracle.card().checkpoint, generator.card().checkpoint, "both hold one checkpoint");
    let group = group(3, prompt);
    let answers = answer(generator, std::slice::from_ref(&group)).remove(0);
    let thresholds = NumericProfile::StrictF32.thresholds();
    let rollouts = |order: &[usize]| -> Vec<ProbeRollout> {
        let rollout = |index: &usize| ProbeRollout {
            completion: answers[*index].tokens.clone(),
            keys: group.rollouts[*index],
        };
        order.iter().map(rollout).collect()
    };
    let probe = |rollouts| GroupProbe {
        prompt: prompt.to_vec(),
        rollouts,
        policy: RULE.policy,
        nucleus_slack: thresholds.nucleus_slack,
    };
    let read = |oracle: &mut O, probe: &GroupProbe| oracle.read(probe).expect("a group is read");
    let readouts = read(oracle, &probe(rollouts(&[0, 1, 2])));
    assert_eq!(readouts, read(oracle, &probe(rollouts(&[0, 1, 2]))), "the same probe reads the same");
    assert_eq!(readouts.len(), answers.len(), "one readout for each rollout");
    for (readout, answer) in readouts.iter().zip(&answers) {
        let length = answer.tokens.len();
        assert_eq!((readout.sketch.len(), readout.draws.len()), (length, length), "one of each a token");
        let honest = readout.draws.iter().all(|draw| draw.in_outer && draw.margin < 0.01);
        assert!(honest, "what the model drew would be drawn again: {:?}", readout.draws);
    }
    let turned = read(oracle, &probe(rollouts(&[2, 0])));
    assert_eq!(turned.len(), 2);
    for (readout, length) in turned.iter().zip([2, 0].map(|index: usize| answers[index].tokens.len())) {
        assert_eq!(readout.sketch.len(), length, "readouts are in the order of the rollouts");
    }
    // Another's noise draws other tokens.
    let mut stolen = rollouts(&[0]);
    stolen[0].keys = group.rollouts[1];
    let foreign = read(oracle, &probe(stolen));
    let caught = foreign[0].draws.iter().any(|draw| !draw.in_outer || draw.margin > 0.01);
    assert!(caught, "{:?}", foreign[0].draws);
}
