//! A loaded model: one set of weights, shared by whoever asks it.

use crate::{
    config::RopeScaling,
    decoder::ModelFolder,
    device::{ComputePlace, Dtype, HeldWeights},
    error::{LoadError, RunError},
    kernels::{KernelPath, Kernels, crew::Crew, trial},
    serve::{native, network::Network, readout::Rows, torch},
};
use grail_ports::model::ModelCard;
use grail_protocol::{
    draw::Sampler,
    words::{CheckpointId, TokenId},
};
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    time::Duration,
};

/// How to load a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOptions {
    /// Where to compute.
    pub place: ComputePlace,
    /// Number format of the arithmetic. Brain floats are retired: only what was proven in them is still read in them.
    pub dtype: Dtype,
    /// How weights are held, where our own kernels compute.
    pub held: HeldWeights,
    /// Who computes on a processor.
    pub kernels: Kernels,
    /// Threads that compute and sample, 1 to 1,024; all processors when absent. They sleep when they wait long, so other
    /// programs on the same processors cost their share and no more.
    ///
    /// libtorch, where it computes, keeps one such number for the whole process: the last model loaded sets it.
    pub threads: Option<usize>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            place: ComputePlace::Cpu,
            dtype: Dtype::F32,
            held: HeldWeights::AsPublished,
            kernels: Kernels::Fastest,
            threads: None,
        }
    }
}

/// How keys and values are kept between steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheFormat {
    /// As they were computed: what every program uses.
    #[default]
    AsComputed,
    /// Rounded to eight bits (e4m3, Micikevicius et al., arXiv:2209.05433), as serving engines offer it to save memory: for a laboratory that shows that it is
    /// noticed.
    Fp8,
}

/// A loaded model. Clones share the weights, and take turns computing.
#[derive(Clone)]
pub struct Model {
    card: Arc<ModelCard>,
    engine: Arc<Mutex<Engine>>,
}

/// What computes: weights, threads and scratch memory.
pub(crate) struct Engine {
    pub(crate) network: Network,
    pub(crate) crew: Crew,
    /// One a thread; a thread takes one that is free.
    samplers: Vec<Mutex<Sampler>>,
    /// Rows of logits, kept for the next ones.
    pub(crate) logits: Rows,
    pub(crate) row_time: Duration,
}

impl Model {
    /// Loads a Hugging Face folder: `config.json`, `generation_config.json`, and `model.safetensors` or the files
    /// of `model.safetensors.index.json`. `checkpoint` is what the caller's manifest says the folder is.
    ///
    /// Memory: the weights once, in the wanted format. On a CPU the embedding stays in the file, mapped; the files
    /// must not be written to while the model lives.
    ///
    /// Errors: every way in which folder, options and device can be unusable, see [`LoadError`].
    pub fn load(folder: &Path, options: &LoadOptions, checkpoint: CheckpointId) -> Result<Self, LoadError> {
        Self::load_keeping(folder, options, checkpoint, CacheFormat::AsComputed)
    }

    /// [`Self::load`] with another format of keys and values: for a laboratory.
    ///
    /// Errors: those of [`Self::load`].
    pub fn load_keeping(
        folder: &Path,
        options: &LoadOptions,
        checkpoint: CheckpointId,
        cache: CacheFormat,
    ) -> Result<Self, LoadError> {
        let threads = threads(options)?;
        let device = options.place.open()?;
        let opened = ModelFolder::open(folder)?;
        let card = card_of(&opened, options, threads, checkpoint);
        let ModelFolder { config, weights, .. } = opened;
        let mut crew = Crew::new(threads).map_err(|error| LoadError::Option {
            option: "threads",
            problem: format!("is {threads}, which the system does not give: {error}"),
        })?;
        tch::set_num_threads(threads as i32);

        let _guard = tch::no_grad_guard();
        let native = options.place == ComputePlace::Cpu && cache == CacheFormat::AsComputed;
        let network = match options.kernels {
            Kernels::Fastest | Kernels::Path(_) if native && options.dtype != Dtype::Bf16 => {
                let path = path_of(options.kernels, &mut crew)?;
                let decoder = native::decoder::Decoder::new(&weights, config, options.held, path)?;
                let (held, bytes) = (decoder.held(), decoder.bytes());
                tracing::info!(%path, ?held, bytes, threads, "the model computes on the processor");
                Network::Native(Box::new(decoder))
            }
            _ => {
                let mut decoder =
                    torch::decoder::Decoder::new(&weights, config, device, options.dtype.kind())?;
                decoder.cache = cache;
                Network::Torch(Box::new(decoder))
            }
        };
        let samplers = (0..threads).map(|_| Mutex::new(Sampler::new())).collect();
        let (logits, row_time) = (Rows::default(), Duration::ZERO);
        let engine = Arc::new(Mutex::new(Engine { network, crew, samplers, logits, row_time }));
        Ok(Self { card: Arc::new(card), engine })
    }

    /// What a folder holds, without its weights: the first steps of [`Model::load`]. `config.json`, every header of the weights
    /// and the device are looked at.
    ///
    /// Errors: those of [`Model::load`] but for memory.
    pub fn look(
        folder: &Path,
        options: &LoadOptions,
        checkpoint: CheckpointId,
    ) -> Result<ModelCard, LoadError> {
        let threads = threads(options)?;
        options.place.open()?;
        Ok(card_of(&ModelFolder::open(folder)?, options, threads, checkpoint))
    }

    /// What is loaded.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Waits for its turn to compute. A panic of an earlier holder costs its own call alone: weights do not change, and
    /// scratch memory is written before it is read.
    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks that a prompt has room for `more` tokens and consists of tokens that exist.
    pub(crate) fn check(&self, prompt: &[TokenId], more: usize) -> Result<(), RunError> {
        let context = self.card.context_length as usize;
        let refuse = |text: String| Err(RunError::Input(text));
        if prompt.is_empty() {
            return refuse("the prompt is empty".into());
        }
        if prompt.len().saturating_add(more) > context {
            let prompt = prompt.len();
            return refuse(format!(
                "a prompt of {prompt} tokens and {more} more exceed the model's context of {context}"
            ));
        }
        self.check_tokens(prompt)
    }

    /// Checks that tokens exist.
    pub(crate) fn check_tokens(&self, tokens: &[TokenId]) -> Result<(), RunError> {
        let vocabulary = self.card.vocabulary;
        match tokens.iter().find(|token| **token >= vocabulary) {
            Some(token) => {
                Err(RunError::Input(format!("token {token} is outside the vocabulary of {vocabulary}")))
            }
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("card", &self.card).finish_non_exhaustive()
    }
}

impl Engine {
    /// Does `work` on every job, spread over the threads; results in the order of the jobs.
    pub(crate) fn spread<J: Sync, R: Send>(
        &mut self,
        jobs: &[J],
        work: impl Fn(&mut Sampler, &J) -> Result<R, RunError> + Sync,
    ) -> Result<Vec<R>, RunError> {
        // A few pieces a thread, so that one that is held up holds up little.
        let share = jobs.len().div_ceil(self.samplers.len().max(1) * 4).max(1);
        let pieces: Vec<&[J]> = jobs.chunks(share).collect();
        let parts: Vec<Part<R>> = pieces.iter().map(|_| Mutex::new(None)).collect();
        let samplers = &self.samplers;
        self.crew.each(pieces.len(), |piece| {
            let mut sampler = free(samplers);
            let done = pieces[piece].iter().map(|job| work(&mut sampler, job)).collect();
            *parts[piece].lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
        });
        let mut results = Vec::with_capacity(jobs.len());
        for part in parts {
            results.extend(
                part.into_inner()
                    .unwrap_or_else(PoisonError::into_inner)
                    .ok_or(RunError::Inside("a piece that was not done"))??,
            );
        }
        Ok(results)
    }
}

/// Results of a piece, once it is done.
type Part<R> = Mutex<Option<Result<Vec<R>, RunError>>>;

/// A sampler that nobody uses: there are as many as threads.
fn free(samplers: &[Mutex<Sampler>]) -> MutexGuard<'_, Sampler> {
    loop {
        for sampler in samplers {
            match sampler.try_lock() {
                Ok(sampler) => return sampler,
                // Scratch memory of somebody who panicked; it is written before it is read.
                Err(TryLockError::Poisoned(sampler)) => return sampler.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        std::hint::spin_loop();
    }
}

/// The path that was asked for, or the fastest.
fn path_of(kernels: Kernels, crew: &mut Crew) -> Result<KernelPath, LoadError> {
    match kernels {
        Kernels::Path(path) if path.runs_here() => Ok(path),
        Kernels::Path(path) => {
            let here: Vec<&str> = KernelPath::here().map(KernelPath::name).collect();
            let problem = format!("is {path}, which this processor lacks; it has {}", here.join(", "));
            Err(LoadError::Option { option: "kernels", problem })
        }
        Kernels::Fastest | Kernels::Libtorch => {
            let (path, times) = trial::fastest(crew);
            tracing::debug!(?times, "paths tried");
            Ok(path)
        }
    }
}

/// What is known of a folder before its weights are read.
fn card_of(
    folder: &ModelFolder,
    options: &LoadOptions,
    threads: usize,
    checkpoint: CheckpointId,
) -> ModelCard {
    let config = &folder.config;
    let number = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    let scaled = if config.rope_scaling == RopeScaling::Default { "" } else { ", llama3 rope" };
    ModelCard {
        checkpoint,
        width: number(config.hidden_size),
        vocabulary: number(config.vocab_size),
        context_length: number(config.max_position_embeddings),
        end_tokens: folder.end_tokens.clone(),
        description: format!(
            "{:?}, {} layers{scaled}, {:?} on {:?}, {threads} threads",
            config.family, config.num_hidden_layers, options.dtype, options.place
        ),
    }
}

fn threads(options: &LoadOptions) -> Result<usize, LoadError> {
    let available = || std::thread::available_parallelism().map_or(1, usize::from);
    match options.threads {
        None => Ok(available()),
        Some(threads) if (1..=1_024).contains(&threads) => Ok(threads),
        Some(threads) => Err(LoadError::Option {
            option: "threads",
            problem: format!("is {threads}, 1 to 1024 are possible"),
        }),
    }
}
