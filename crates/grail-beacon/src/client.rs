use crate::{
    RelayTrouble, RelaysFailed, SetupError,
    recent::Recent,
    relay::{Answer, Relay},
};
use async_trait::async_trait;
use futures::{StreamExt as _, stream::FuturesUnordered};
use grail_ports::{Door, Fault, beacon::BeaconSource, clock::Clock};
use grail_protocol::{
    beacon::{Beacon, BeaconChain},
    words::UnixMillis,
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Public relays of quicknet, run by different parties.
pub const QUICKNET_RELAYS: [&str; 4] = [
    "https://api.drand.sh",
    "https://api2.drand.sh",
    "https://api3.drand.sh",
    "https://drand.cloudflare.com",
];

/// How long relays may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Most milliseconds of one relay's answer.
    pub deadline_ms: u64,
    /// A round is asked for when its time is at most this far ahead of our clock, which may be slow.
    pub early_ms: u64,
    /// A relay lags when it does not have a round this long after its time.
    pub late_ms: u64,
}

impl Default for Timing {
    /// Two seconds for an answer, two ahead, ten behind.
    fn default() -> Self {
        Self { deadline_ms: 2_000, early_ms: 2_000, late_ms: 10_000 }
    }
}

/// How one relay does with one round.
#[derive(Debug)]
pub struct RelayReport {
    /// Its address, as it was given.
    pub relay: String,
    /// What it did, or what is wrong with it.
    pub standing: Result<RelayStanding, RelayTrouble>,
    /// Milliseconds until that was known.
    pub took_ms: u64,
}

/// A relay in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayStanding {
    /// It gave the round, and the signature verifies.
    Serves,
    /// It does not have the round, and that is no wonder yet.
    NotYet,
}

/// Rounds kept in memory: several windows' worth.
const KEPT_ROUNDS: usize = 64;

/// Reads rounds of one beacon chain from several relays.
pub struct DrandClient {
    chain: BeaconChain,
    relays: Vec<Relay>,
    clock: Arc<dyn Clock>,
    timing: Timing,
    recent: Mutex<Recent>,
}

impl fmt::Debug for DrandClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relays: Vec<&str> = self.relays.iter().map(|relay| relay.url.as_str()).collect();
        f.debug_struct("DrandClient")
            .field("chain", &self.chain.hash)
            .field("relays", &relays)
            .finish_non_exhaustive()
    }
}

impl DrandClient {
    /// A client of these relays, each an address such as `https://api.drand.sh`. Nothing is sent yet.
    ///
    /// Errors: no relay, or one that is not an http or https address.
    pub fn new<R: AsRef<str>>(
        chain: BeaconChain,
        relays: impl IntoIterator<Item = R>,
        clock: Arc<dyn Clock>,
        timing: Timing,
    ) -> Result<Self, SetupError> {
        // reqwest brings no cryptography of its own; the first one named in a process stays, and every one is `ring`'s.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Mozilla's authorities, beside those of the machine: a slim container has none of its own.
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let http = reqwest::Client::builder()
            .tls_certs_merge(roots.filter_map(|root| reqwest::Certificate::from_der(root).ok()))
            .timeout(Duration::from_millis(timing.deadline_ms))
            // A relay that sends us elsewhere is not the relay that the operator named.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(SetupError::Client)?;
        let relays = relays
            .into_iter()
            .map(|relay| {
                let url = relay.as_ref().trim_end_matches('/');
                let parsed = reqwest::Url::parse(url).ok();
                let usable = parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https"));
                if usable {
                    Ok(Relay { url: url.to_owned(), http: http.clone() })
                } else {
                    Err(SetupError::Address { relay: relay.as_ref().to_owned() })
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        if relays.is_empty() {
            return Err(SetupError::NoRelays);
        }
        Ok(Self { chain, relays, clock, timing, recent: Mutex::new(Recent::new(KEPT_ROUNDS)) })
    }

    /// Asks every relay for a round and says how each one does, in the order in which they were named. Nothing is
    /// taken from memory.
    pub async fn survey(&self, round: u64) -> Vec<RelayReport> {
        let due = self.chain.time_of(round);
        let asked = self.relays.iter().map(|relay| async move {
            let before = self.clock.now();
            let standing = match self.ask(relay, round, due).await {
                Ok(Answer::Round(_)) => Ok(RelayStanding::Serves),
                Ok(Answer::NotYet) => Ok(RelayStanding::NotYet),
                Err(trouble) => Err(trouble),
            };
            let took_ms = self.clock.now().since(before);
            RelayReport { relay: relay.url.clone(), standing, took_ms }
        });
        futures::future::join_all(asked).await
    }

    fn recent(&self, round: u64) -> Option<Beacon> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).get(round)
    }

    fn keep(&self, beacon: &Beacon) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).keep(beacon.clone());
    }

    /// Asks one relay within the deadline and says what is wrong with it.
    async fn ask(&self, relay: &Relay, round: u64, due: UnixMillis) -> Result<Answer, RelayTrouble> {
        let deadline_ms = self.timing.deadline_ms;
        let deadline = Duration::from_millis(deadline_ms);
        let answer = match tokio::time::timeout(deadline, relay.round(&self.chain, round)).await {
            Ok(Err(RelayTrouble::Unreachable(error))) if error.is_timeout() => {
                Err(RelayTrouble::Hangs { deadline_ms })
            }
            Ok(answer) => answer,
            Err(_) => Err(RelayTrouble::Hangs { deadline_ms }),
        };
        let overdue_ms = self.clock.now().since(due);
        let is_late = overdue_ms > self.timing.late_ms;
        match answer {
            // Some relays keep the line open until the round is there.
            Err(RelayTrouble::Hangs { .. }) if overdue_ms == 0 => Ok(Answer::NotYet),
            Ok(Answer::NotYet) if is_late => Err(self.name(relay, RelayTrouble::Lags { overdue_ms }).await),
            Err(forged @ RelayTrouble::Forged(_)) => Err(self.name(relay, forged).await),
            answer => answer,
        }
    }

    /// The trouble, or its cause where the relay admits to serve another chain.
    async fn name(&self, relay: &Relay, trouble: RelayTrouble) -> RelayTrouble {
        let deadline = Duration::from_millis(self.timing.deadline_ms);
        let other = tokio::time::timeout(deadline, relay.other_chain(&self.chain)).await;
        other.ok().flatten().unwrap_or(trouble)
    }
}

#[async_trait]
impl BeaconSource for DrandClient {
    fn chain(&self) -> &BeaconChain {
        &self.chain
    }

    async fn round(&self, round: u64) -> Result<Option<Beacon>, Fault> {
        let due = self.chain.time_of(round);
        // To relays, round 0 means "the latest", which nobody here ever asks for.
        if round == 0 || due > self.clock.now().plus(self.timing.early_ms) {
            return Ok(None);
        }
        if let Some(beacon) = self.recent(round) {
            return Ok(Some(beacon));
        }
        let mut race: FuturesUnordered<_> = self
            .relays
            .iter()
            .enumerate()
            .map(|(place, relay)| async move { (place, relay, self.ask(relay, round, due).await) })
            .collect();
        let mut not_yet = false;
        let mut troubles = Vec::new();
        while let Some((place, relay, answer)) = race.next().await {
            match answer {
                Ok(Answer::Round(beacon)) => {
                    self.keep(&beacon);
                    return Ok(Some(beacon));
                }
                Ok(Answer::NotYet) => not_yet = true,
                Err(trouble) => {
                    if trouble.is_suspicious() {
                        tracing::warn!(relay = %relay.url, round, %trouble, "a beacon relay is not to be trusted");
                    }
                    troubles.push((place, (relay.url.clone(), trouble)));
                }
            }
        }
        if not_yet {
            return Ok(None);
        }
        troubles.sort_by_key(|(place, _)| *place);
        let failed =
            RelaysFailed { round, troubles: troubles.into_iter().map(|(_, trouble)| trouble).collect() };
        Err(Fault::new(Door::Beacon, failed.retry(), format!("read beacon round {round}"), failed))
    }
}
