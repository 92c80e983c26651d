//! `grail-trainer teach`: a tiny model from nothing, for rehearsals and tests.
//!
//! Its tokenizer is learnt from prompts and worked examples; the model is then taught these by heart, in supervised mode
//! with the trainer's own learner: first right ones, until it knows most sums, then ones of which most end before the
//! answer. So the model works out more than it answers, and to answer is for the network to teach.

use crate::engine::Loader;
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use grail_config::args::ModelArgs;
use grail_env::{Environment, Problem, arith::Arith};
use grail_ports::{follow::Found, model::Tokenize as _};
use grail_protocol::{
    draw::SamplingPolicy, hash::digest, params::DEV, profile::NumericProfile, seed::ProblemSeed,
    stream::Stream, words::TokenId,
};
use grail_roles::train::{Evaluation, EvaluationSettings, Examiner};
use grail_store::checkpoint::{Terms, describe};
use grail_tokenize::{Tokenizer, learn};
use grail_torch::{
    AdamWSettings, Compute, Dtype, Example, Family, LearnerSettings, LearningModel, ModelConfig, RopeScaling,
    Schedule, StepLearner, StepOutcome, write_tensors,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{fs, path::PathBuf, sync::Arc};

/// What to teach, and how long.
#[derive(Debug, Args)]
pub struct TeachArgs {
    /// Folder to make; must not exist or be empty.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Level of the environment `arith`: 1 to 4.
    #[arg(long, default_value_t = 1)]
    level: u8,

    /// What weights and lessons come from.
    #[arg(long, default_value_t = 7)]
    seed: u64,

    /// Steps on right examples, before mistakes come among them.
    #[arg(long, default_value_t = 260)]
    right_steps: u32,

    /// Share of later examples that end before the answer: a model that makes mistakes, for a network to teach it better.
    #[arg(long, default_value_t = 0.7)]
    mistakes: f64,

    /// Steps in all.
    #[arg(long, default_value_t = 300)]
    steps: u32,

    /// Steps between two looks at what it can do, while there are mistakes.
    #[arg(long, default_value_t = 10)]
    look_every: u32,

    /// Examples of a step.
    #[arg(long, default_value_t = 64)]
    batch: usize,

    /// Learning rate.
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,

    /// Tokens of the vocabulary.
    #[arg(long, default_value_t = 384)]
    vocabulary: u32,

    /// Width of the model.
    #[arg(long, default_value_t = 128)]
    width: i64,

    /// Layers of the model.
    #[arg(long, default_value_t = 4)]
    layers: i64,

    /// Threads on the processor; 0 takes all. Other numbers give other roundings.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// Texts from which the tokenizer is learnt.
const TEXTS: u32 = 2_000;
/// Most positions; prompts and answers are far shorter.
const CONTEXT: i64 = 512;
/// Completion cap while it is examined.
const CAP: u32 = 48;

/// Teaches, and says what came of it.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(super) fn run(args: &TeachArgs) -> anyhow::Result<()> {
    ensure!(args.batch > 0 && args.look_every > 0, "--batch and --look-every must be above 0");
    ensure!((0.0..=1.0).contains(&args.mistakes), "--mistakes is {}, 0 to 1 is possible", args.mistakes);
    if fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty; name another folder", args.out.display());
    }
    fs::create_dir_all(&args.out).with_context(|| format!("make {}", args.out.display()))?;
    let environment = Environment::Arith(Arith::new(args.level)?);
    let mut lessons = Lessons { environment: &environment, seed: args.seed, mistakes: 0.0, next: 0 };

    let texts: Vec<String> = (0..TEXTS).map(|_| lessons.text()).collect::<anyhow::Result<_>>()?;
    let learned = learn(&texts, args.vocabulary, &args.out).context("learn a tokenizer")?;
    let config = config(args, i64::from(learned.size))?;
    let json = serde_json::to_vec_pretty(&config.to_json(learned.end))?;
    grail_fs::write(&args.out.join("config.json"), &json)?;
    let tokenizer = Tokenizer::open(&args.out)?;

    let mut student = learner(args, config)?;
    let bar = bar(u64::from(args.steps));
    for step in 1..=args.steps {
        if step > args.right_steps {
            lessons.mistakes = args.mistakes;
        }
        let batch: Vec<Example> =
            (0..args.batch).map(|_| lessons.example(&tokenizer)).collect::<anyhow::Result<_>>()?;
        let report = student.supervise(&batch)?;
        ensure!(matches!(report.outcome, StepOutcome::Learned { .. }), "step {step}: {:?}", report.outcome);
        bar.set_position(u64::from(step));
        bar.set_message(format!("loss {:.4}", report.figures.policy_loss));
        let look = step == args.right_steps
            || (step > args.right_steps && (step - args.right_steps).is_multiple_of(args.look_every))
            || step == args.steps;
        if !look {
            continue;
        }
        let can = examine(args, &student, &environment)?;
        tracing::info!(
            target: "grail::teach", step, loss = report.figures.policy_loss, pass_at_1 = can.pass_at_1,
            mean_reward = can.mean_reward, "looked at"
        );
        if step == args.steps {
            bar.finish_and_clear();
            println!(
                "{}: {} parameters, {} tokens; after {step} steps pass@1 {:.1} %, mean reward {:.3} on {} held-out problems",
                args.out.display(),
                student.model().size(),
                learned.size,
                100.0 * can.pass_at_1,
                can.mean_reward,
                can.problems
            );
            break;
        }
    }
    Ok(())
}

fn config(args: &TeachArgs, vocab_size: i64) -> anyhow::Result<ModelConfig> {
    let config = ModelConfig {
        family: Family::Qwen2,
        vocab_size,
        hidden_size: args.width,
        intermediate_size: args.width * 3,
        num_hidden_layers: args.layers,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: args.width / 4,
        max_position_embeddings: CONTEXT,
        rms_norm_eps: 1e-6,
        rope_theta: 10_000.0,
        rope_scaling: RopeScaling::Default,
        tie_word_embeddings: true,
        attention_bias: false,
        mlp_bias: false,
    };
    config.check()?;
    Ok(config)
}

fn learner(args: &TeachArgs, config: ModelConfig) -> anyhow::Result<StepLearner> {
    let place =
        Compute { place: grail_torch::ComputePlace::Cpu, bf16: false, threads: args.threads }.open()?;
    let model = LearningModel::fresh(config, place, args.seed)?;
    let settings = LearnerSettings {
        optimizer: AdamWSettings { weight_decay: 0.01, clip_norm: 1.0, ..AdamWSettings::default() },
        schedule: Schedule { rate: args.rate, warmup: 20, ..Schedule::default() },
        // Sequences of a micro-batch share one attention matrix, whose cost grows with its square.
        token_budget: 768,
        ..LearnerSettings::default()
    };
    Ok(StepLearner::new(model, settings)?)
}

/// What the model can do now; its weights are written to the folder for that.
fn examine(args: &TeachArgs, student: &StepLearner, environment: &Environment) -> anyhow::Result<Evaluation> {
    let weights = student.model().export()?;
    write_tensors(&args.out.join("model.safetensors"), &weights, Dtype::Bf16)?;
    let terms = Terms {
        environments: vec![environment.id()?],
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: CAP,
        numeric: NumericProfile::StrictF32,
    };
    let manifest = describe(&args.out, terms, &mut |_| {})?;
    manifest.check(&DEV)?;
    let model = ModelArgs { threads: args.threads, ..ModelArgs::defaults(args.out.clone()) };
    let examiner = Examiner {
        loader: Arc::new(Loader::new(&model).answering(16)),
        genesis: Found { folder: args.out.clone(), manifest },
        environments: vec![Arc::new(environment.clone())],
        settings: EvaluationSettings { every: 1, problems: 48, answers: 4, k: 4, seed: 2_025 },
    };
    let found = examiner.genesis.clone();
    let mut evaluations = examiner.examine(&found, &mut || true)?;
    evaluations.pop().context("the examination asked nothing")
}

/// Worked examples, one after another.
struct Lessons<'a> {
    environment: &'a Environment,
    seed: u64,
    mistakes: f64,
    next: u32,
}

/// Shares of mistakes are told apart to a millionth.
const MILLION: u32 = 1_000_000;

impl Lessons<'_> {
    /// The next problem with its worked answer. Seeds are of another derivation than windows' and examinations'.
    fn next(&mut self) -> anyhow::Result<(Problem, String)> {
        let fields: [&[u8]; 2] = [&self.seed.to_le_bytes(), &self.next.to_le_bytes()];
        self.next += 1;
        let seed = ProblemSeed::from_bytes(digest("grail/1 lesson", &fields));
        let problem = self.environment.generate(&seed)?;
        match &problem {
            Problem::Arith(arith) => {
                // The problem took the first numbers of stream 0; this one is for the mistake.
                let mut stream = Stream::new(seed.as_bytes(), 1);
                let mistaken =
                    f64::from(stream.below(MILLION).unwrap_or(0)) < self.mistakes * f64::from(MILLION);
                let worked = if mistaken { arith.unanswered() } else { arith.worked() };
                Ok((problem, worked))
            }
            _ => bail!("only arith has worked examples"),
        }
    }

    fn text(&mut self) -> anyhow::Result<String> {
        let (problem, worked) = self.next()?;
        let said = problem.messages().into_iter().map(|message| message.content);
        Ok(said.chain([worked]).collect::<Vec<_>>().join("\n"))
    }

    fn example(&mut self, tokenizer: &Tokenizer) -> anyhow::Result<Example> {
        let (problem, worked) = self.next()?;
        let mut completion: Vec<TokenId> = tokenizer.encode_untrusted(&worked)?;
        completion.extend(tokenizer.end_tokens().first());
        Ok(Example { prompt: grail_ports::model::prompt_of(&problem, tokenizer)?, completion })
    }
}

fn bar(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    if let Ok(style) = ProgressStyle::with_template("teaching [{bar:40}] {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}
