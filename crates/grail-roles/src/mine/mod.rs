//! The miner's loop: wait for a window, answer its problems with proof, look at the own file with the validator's
//! eyes, upload.

mod answer;
mod outcome;
pub mod plan;
mod window;
mod worth;

pub use outcome::{MinedWindow, TooSlow, Upload};

use crate::{
    context::Sources,
    environments::Environments,
    model::{Desk, Models},
    patience::{Endurance, Teller},
};
use grail_artifact::{
    checkpoint::Moment,
    keys::{ShelfKey, WindowKey},
    window::WindowCodec,
};
use grail_ports::{
    Fault,
    clock::Clock,
    shelf::{Fetch, WindowShelf},
    sign::Sign,
};
use grail_protocol::words::{Hotkey, UnixMillis, WindowStart};
use plan::{Durations, Estimate, Next, Pace};
use std::sync::Arc;

/// What a miner is made of.
pub struct MinerParts {
    /// Chain, randomness, network.
    pub sources: Sources,
    /// Where its files go.
    pub shelf: Arc<dyn WindowShelf>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Checkpoints, each with a generator. Its oracle looks at the own file before upload; without one it is uploaded
    /// unseen.
    pub models: Models,
    /// Problems.
    pub environments: Environments,
    /// Encoding of window files.
    pub codec: Arc<dyn WindowCodec>,
    /// Who mines.
    pub signer: Arc<dyn Sign>,
}

impl std::fmt::Debug for MinerParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MinerParts").field("hotkey", &self.signer.hotkey()).finish_non_exhaustive()
    }
}

/// What an operator may choose. None of it changes what a validator sees as true.
#[derive(Debug, Clone)]
pub struct MinerSettings {
    /// Most groups in a window; `None` mines as many as time allows.
    pub max_groups: Option<u32>,
    /// Groups of the own file that are proven again before upload.
    pub self_check_groups: u32,
    /// Least time kept free for encoding and upload; more where uploads were measured to take longer.
    pub upload_reserve_ms: u64,
    /// Stop after that many windows; `None` mines on.
    pub windows: Option<u32>,
    /// Program and version, for the file's header.
    pub program: String,
}

impl Default for MinerSettings {
    fn default() -> Self {
        Self {
            max_groups: None,
            self_check_groups: 1,
            upload_reserve_ms: 2_000,
            windows: None,
            program: concat!("grail-roles ", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

/// A running miner.
pub struct Miner {
    sources: Sources,
    shelf: Arc<dyn WindowShelf>,
    clock: Arc<dyn Clock>,
    desk: Desk,
    environments: Environments,
    codec: Arc<dyn WindowCodec>,
    signer: Arc<dyn Sign>,
    settings: MinerSettings,
    group_time: Estimate,
    check_time: Estimate,
    uploads: Durations,
    pace: Pace,
    mined: Option<WindowStart>,
    teller: Teller,
    worth: worth::Worth,
}

impl std::fmt::Debug for Miner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Miner").field("hotkey", &self.signer.hotkey()).field("mined", &self.mined).finish()
    }
}

/// Milliseconds between two looks at something that is not there yet.
const LOOK_AGAIN_MS: u64 = 250;
/// Blocks between two looks for a checkpoint to fetch ahead, while there is nothing to mine.
const PREFETCH_BLOCKS: u64 = 4;

impl Miner {
    /// Puts the parts together.
    pub fn new(parts: MinerParts, settings: MinerSettings) -> Self {
        Self {
            sources: parts.sources,
            shelf: parts.shelf,
            clock: parts.clock,
            desk: Desk::new(parts.models, parts.codec.clone()),
            environments: parts.environments,
            codec: parts.codec,
            signer: parts.signer,
            settings,
            group_time: Estimate::default(),
            check_time: Estimate::default(),
            uploads: Durations::default(),
            pace: Pace::default(),
            mined: None,
            teller: Teller::default(),
            worth: worth::Worth::default(),
        }
    }

    /// Who mines.
    pub fn hotkey(&self) -> Hotkey {
        self.signer.hotkey()
    }

    /// Mines window after window. What may pass is waited out; [`Endurance`] says what ends the loop.
    pub async fn run(&mut self) -> Result<(), Fault> {
        let mut patience = Endurance::new(Arc::clone(&self.clock));
        let mut done = 0;
        while self.settings.windows.is_none_or(|windows| done < windows) {
            match self.step().await {
                Ok(mined) => {
                    patience.went_well();
                    done += u32::from(mined.is_some());
                    mined.iter().for_each(MinedWindow::log);
                    if mined.is_some() {
                        self.look_whether_it_pays().await;
                    }
                }
                Err(fault) => patience.wait_out(fault).await?,
            }
        }
        Ok(())
    }

    /// Warns once several windows brought no weight.
    async fn look_whether_it_pays(&mut self) {
        let hotkey = self.hotkey();
        if let Some(windows) = self.worth.after_window(self.sources.chain.as_ref(), &hotkey).await {
            worth::warn(windows, &hotkey);
        }
    }

    /// Does the next thing: mines a window and returns what came of it, or waits for one.
    pub async fn step(&mut self) -> Result<Option<MinedWindow>, Fault> {
        let params = self.sources.network.params;
        let head = self.sources.chain.head().await?;
        self.pace.learn(&params, head);
        let window = params.window_of(head.number);
        let Some(first) = self.sources.chain.block(params.first_block(window)).await? else {
            self.look_again().await;
            return Ok(None);
        };
        let moment = Moment::of(&params, window, first.time);
        if self.desk.is_empty() {
            // Whatever is wrong with the model shows now, and not when a window begins.
            self.desk.settle(moment).await?;
        }
        match plan::next(&params, head, self.pace, self.mined, self.clock.now(), self.needed_ms()) {
            Next::Wait { until } => {
                self.desk.prefetch(params.next_window(window)).await;
                let look_again = self.clock.now().plus(PREFETCH_BLOCKS * params.block_time_ms);
                self.clock.sleep_until(until.min(look_again)).await;
                Ok(None)
            }
            Next::Mine { window, deadline } => {
                if self.desk.settle(moment).await? {
                    // Loading took time; what is left is looked at again.
                    return Ok(None);
                }
                let Some(context) = self.sources.window(&self.desk.held()?.manifest, window).await? else {
                    // The window's beacon round appears at most one period after its first block.
                    self.look_again().await;
                    return Ok(None);
                };
                // After a restart a file may lie there already. Its seed gives the same work again, and what is left
                // of the window is too short to do better than it.
                if self.mined.is_none() && self.has_file(window).await? {
                    tracing::info!(target: "grail::mine", window = window.0, "window {window} has a file of ours already; it stays");
                    self.mined = Some(window);
                    return Ok(None);
                }
                // Whatever becomes of it, a window is begun once.
                self.mined = Some(window);
                self.mine(&context, deadline).await.map(Some)
            }
        }
    }

    fn key(&self, window: WindowStart) -> ShelfKey {
        WindowKey { hotkey: self.hotkey(), window, encoding: self.codec.encoding() }.into()
    }

    async fn has_file(&self, window: WindowStart) -> Result<bool, Fault> {
        // A limit of nothing asks for the metadata alone.
        Ok(self.shelf.fetch(&self.key(window), 0).await? != Fetch::Absent)
    }

    /// What one group, its check and the upload will take.
    fn needed_ms(&self) -> u64 {
        self.group_time.reserve_ms().saturating_add(self.delivery_ms())
    }

    /// What the own check and the upload will take. As long as no check was measured, proving a group is taken to last
    /// as long as answering it.
    fn delivery_ms(&self) -> u64 {
        let looks = self.desk.held().is_ok_and(|held| held.court.is_some());
        let check = match (looks, self.check_time.reserve_ms()) {
            (false, _) => 0,
            (true, 0) => {
                self.group_time.reserve_ms().saturating_mul(u64::from(self.settings.self_check_groups))
            }
            (true, measured) => measured,
        };
        check.saturating_add(self.upload_ms())
    }

    /// What encoding and upload will take: no shorter than 19 of 20 took, with a quarter to spare.
    fn upload_ms(&self) -> u64 {
        let measured = self.uploads.p95_ms();
        measured.saturating_add(measured / 4).max(self.settings.upload_reserve_ms)
    }

    /// Whether another group, its check and the upload still fit.
    fn fits(&self, now: UnixMillis, deadline: UnixMillis) -> bool {
        now.plus(self.needed_ms()) <= deadline
    }

    async fn look_again(&self) {
        self.clock.sleep_until(self.clock.now().plus(LOOK_AGAIN_MS)).await;
    }
}
