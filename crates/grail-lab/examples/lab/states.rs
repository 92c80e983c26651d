//! `lab states`: hidden states of honest and lying miners beside what a validator sees, for proofs of other makes.

use crate::{Model, bar};
use anyhow::{Context as _, Result, bail};
use grail_lab::{
    attack::{self, Teller},
    stand::Stand,
    suite::{Ground, SuitePlan},
};
use grail_torch::{ComputePlace, Dtype};
use std::{fs, path::PathBuf};

/// What is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model
    #[arg(long, value_enum, default_value = "tiny")]
    model: Model,
    /// Its folder
    #[arg(long)]
    folder: PathBuf,
    /// Rollouts of each attack
    #[arg(long, default_value_t = 64)]
    rollouts: u32,
    /// Groups in a window
    #[arg(long, default_value_t = 2)]
    groups: u32,
    /// Completion cap in tokens; the model's usual one when absent
    #[arg(long)]
    cap: Option<u32>,
    /// Threads of the model
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Names of attacks
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Folder for one file an attack
    #[arg(long)]
    out: PathBuf,
}

/// Writes `{attack}.bin`: `rollouts u32, width u32`, then for each rollout `tokens u32`, the miner's states and the
/// validator's, as little-endian 32-bit floats.
pub(crate) fn run(args: &Args) -> Result<()> {
    let setup =
        args.model.setup(args.folder.clone(), (Dtype::F32, ComputePlace::Cpu), args.threads, args.cap)?;
    let stand = Stand::open(setup)?;
    let plan = SuitePlan { rollouts: args.rollouts, honest: args.rollouts, groups: args.groups, old: false };
    let ground = Ground::lay(&stand, &plan, &mut |_, _| ())?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    for name in &args.only {
        let Some((lie, _)) = attack::all().find(|(lie, _)| lie.name == name) else {
            bail!("there is no attack {name}")
        };
        let bar = bar(name)?;
        let teller = Teller::new(&stand, lie)?;
        let mut bytes = Vec::new();
        let mut rollouts = 0u32;
        for (bank, earlier) in ground.banks().iter().zip(ground.banks().iter().cycle().skip(1)) {
            let submission = teller.tell(bank, earlier, ground.mean())?;
            for (miner, validator) in teller.states(bank, &submission, ground.mean())? {
                rollouts += 1;
                let tokens = u32::try_from(validator.rows().len()).unwrap_or(u32::MAX);
                bytes.extend_from_slice(&tokens.to_le_bytes());
                for side in [miner, validator] {
                    side.rows().flatten().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
                }
            }
            bar.inc(1);
        }
        let head = [rollouts.to_le_bytes(), stand.model.card().width.to_le_bytes()].concat();
        let path = args.out.join(format!("{name}.bin"));
        fs::write(&path, [head, bytes].concat())
            .with_context(|| format!("cannot write {}", path.display()))?;
        bar.finish_and_clear();
    }
    Ok(())
}
