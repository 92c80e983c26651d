//! `check`: what a role needs, one line each.

use crate::{engine::load, ready::Libtorch};
use bytes::Bytes;
use console::style;
use grail_artifact::keys::{ShelfKey, WindowEncoding, WindowKey};
use grail_config::{
    Config, Role,
    args::{RoleArgs, Told},
};
use grail_node::{
    local::Networks,
    network::{self, Joined},
    ready::{Finding, Health, look, of_memory},
};
use grail_ports::shelf::Fetch;
use grail_protocol::{beacon::WindowRandomness, words::WindowStart};

const NETWORK: &str = "network, key and data sets";

/// Whether all went well so far.
#[derive(Debug, Clone, Copy)]
pub struct Checks {
    well: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self { well: true }
    }
}

impl Checks {
    /// Tells a result; the value of a good one goes on.
    #[expect(clippy::print_stdout, reason = "the result of a program for people")]
    pub fn line(&mut self, name: &str, result: anyhow::Result<String>) {
        match result {
            Ok(detail) => println!("{} {name}: {detail}", style("✓").green()),
            Err(error) => {
                self.well = false;
                println!("{} {name}: {error:#}", style("✗").red());
            }
        }
    }

    /// Tells several.
    pub fn lines<'a>(&mut self, results: impl IntoIterator<Item = (&'a str, anyhow::Result<String>)>) {
        for (name, result) in results {
            self.line(name, result);
        }
    }

    /// Tells a finding, with its remedy.
    #[expect(clippy::print_stdout, reason = "the result of a program for people")]
    pub fn finding(&mut self, finding: &Finding) {
        let mark = match finding.standing {
            Health::Good => style("✓").green(),
            Health::Warning => style("!").yellow(),
            Health::Bad => style("✗").red(),
            Health::Skipped => style("–").dim(),
        };
        println!("{mark} {}: {}", finding.check, finding.told);
        if let Some(remedy) = &finding.remedy {
            println!("    → {remedy}");
        }
        self.well &= !finding.is_bad();
    }

    /// Tells what the role's own start asks for, before anything of the network is.
    pub fn ready(&mut self, networks: &dyn Networks, role: Role, config: &Config) {
        for finding in look(networks, role, config, &Libtorch) {
            self.finding(&finding);
        }
    }

    /// Whether every one of them was good.
    pub const fn are_good(self) -> bool {
        self.well
    }
}

/// What a miner's and a validator's check begin with: what the role's start asks for, and the way into the network. `None`:
/// there is no way in, which is told.
pub(crate) async fn begin(
    networks: &dyn Networks,
    role: Role,
    args: &RoleArgs,
) -> anyhow::Result<(Checks, Option<(Told, Joined)>)> {
    let mut checks = Checks::default();
    checks.ready(networks, role, &args.config.config()?);
    let joined = async {
        let told = args.read()?;
        let joined = network::join(networks, &told).await?;
        anyhow::Ok((told, joined))
    };
    Ok(match joined.await {
        Ok((told, joined)) => {
            let network = &joined.sources.network.id;
            checks.line(NETWORK, Ok(format!("network {network}")));
            if let Some(finding) = of_memory(role, &told.config, network) {
                checks.finding(&finding);
            }
            (checks, Some((told, joined)))
        }
        Err(error) => {
            checks.line(NETWORK, Err(error));
            (checks, None)
        }
    })
}

/// The model and its tokenizer, loaded, every byte held against the manifest.
pub(crate) fn model(told: &Told, joined: &Joined) -> anyhow::Result<String> {
    let engine = load(&told.model.model, &joined.manifest, &told.model)?;
    Ok(engine.model.card().description.clone())
}

/// The hotkey's number.
pub(crate) async fn registered(joined: &Joined) -> anyhow::Result<String> {
    let uid = joined.registered().await?;
    Ok(format!("{} has uid {uid}", joined.signer.hotkey()))
}

/// What seeds the window under way.
pub(crate) async fn randomness(joined: &Joined) -> anyhow::Result<String> {
    let params = joined.sources.network.params;
    let head = joined.chain.head().await?;
    let window = params.window_of(head.number);
    let context = joined.sources.window(&joined.manifest, window).await?;
    Ok(match context {
        Some(context) => {
            let seed = match &context.randomness {
                WindowRandomness::Beacon(beacon) => format!("round {} of the beacon", beacon.round),
                WindowRandomness::BlockHashOnly => "its block hash alone".to_owned(),
            };
            format!("window {window} asks {}, seeded by {seed}", context.env)
        }
        None => format!("window {window} has just begun; its beacon round is not out yet"),
    })
}

/// Writes, reads and compares an object under a key that no window uses.
pub(crate) async fn store(joined: &Joined) -> anyhow::Result<String> {
    let key = ShelfKey::from(WindowKey {
        hotkey: joined.signer.hotkey(),
        window: WindowStart(u64::MAX),
        encoding: WindowEncoding::Json,
    });
    let body = Bytes::from_static(b"grail check");
    let shelf = joined.own_shelf()?;
    shelf.put(&key, body.clone()).await?;
    match shelf.fetch(&key, 1_024).await? {
        Fetch::Found(fetched) if fetched.body == body => Ok("as written".into()),
        other => anyhow::bail!("wrote an object and read back {other:?}"),
    }
}
