//! The connection: one task owns it, everybody else asks.
//!
//! A request is a message with a deadline. The asker waits no longer than that, whatever the task, the socket or the
//! node do. The task gives each request to the connection of the moment; when that one does not answer in time,
//! breaks, or shows no new block for too long, it is dropped, and every request that can be repeated goes to the
//! next, within its own deadline.

mod actor;
mod board;

pub use board::EndpointHealth;

use crate::settings::ChainSettings;
use grail_ports::{Door, Fault, Retry};
use grail_protocol::words::{BlockHash, BlockNumber};
use serde_json::{Value, value::RawValue};
use std::time::Duration;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

/// Requests that may wait for the task.
const QUEUE: usize = 512;

/// What a node may answer at most, in bytes of JSON.
const MAX_ANSWER: usize = 24 << 20;

/// The newest block that any connection announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Number of the block.
    pub number: BlockNumber,
    /// When it was announced.
    pub at: Instant,
}

impl Seen {
    /// How long ago it was announced.
    pub fn age(&self) -> Duration {
        self.at.elapsed()
    }
}

/// How the connection does.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct LinkHealth {
    /// The node that is used now.
    pub connected: Option<String>,
    /// How every node of the settings does, in their order.
    pub endpoints: Vec<EndpointHealth>,
    /// Connections opened so far.
    pub connections: u64,
}

/// Why a request came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Trouble {
    /// The node understood and refused.
    #[error("the node answers with error {code}: {message}")]
    Node {
        /// JSON-RPC error number.
        code: i32,
        /// The node's words.
        message: String,
    },
    /// The connection broke while a request that must not be repeated was under way.
    #[error("the connection broke after the request was sent: {why}")]
    Broken {
        /// What broke.
        why: String,
    },
    /// Every node was tried, and none could be reached since this program began.
    #[error(
        "no node of the chain can be reached ({why}); name others in BT_CHAIN_ENDPOINT, joined by commas"
    )]
    Unreachable {
        /// What is wrong with each.
        why: String,
    },
    /// No answer in time.
    #[error("no answer within {millis} ms{}", about(why))]
    Deadline {
        /// The deadline in milliseconds.
        millis: u128,
        /// What went wrong meanwhile.
        why: Option<String>,
    },
    /// An answer of another form than asked for.
    #[error("the node's answer has another form than expected: {why}")]
    Form {
        /// What the decoder says.
        why: String,
    },
    /// The task is gone.
    #[error("the connection's task has ended")]
    Ended,
}

fn about(why: &Option<String>) -> String {
    why.as_ref().map(|why| format!("; {why}")).unwrap_or_default()
}

impl Trouble {
    /// Whether asking again may help.
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Node { .. }
            | Self::Broken { .. }
            | Self::Unreachable { .. }
            | Self::Deadline { .. }
            | Self::Form { .. } => Retry::Later,
            Self::Ended => Retry::Never,
        }
    }

    /// A fault with what was being done.
    pub(crate) fn into_fault(self, doing: impl Into<String>) -> Fault {
        Fault::new(Door::Chain, self.retry(), doing, self)
    }
}

/// One request on its way.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) params: Option<Box<RawValue>>,
    /// Whether it may be sent again over another connection.
    pub(super) repeatable: bool,
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Box<RawValue>, Trouble>>,
}

/// A handle to the task. Cheap to clone; the task ends with the last one.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    requests: mpsc::Sender<Request>,
    heads: watch::Receiver<Option<Seen>>,
    health: watch::Receiver<LinkHealth>,
    genesis: watch::Receiver<Option<BlockHash>>,
    call_deadline: Duration,
}

impl Link {
    /// Starts the task.
    pub(crate) fn start(settings: &ChainSettings) -> Self {
        let (requests, inbox) = mpsc::channel(QUEUE);
        let (actor, outlets) = actor::Actor::new(settings, inbox);
        tokio::spawn(actor.run());
        let actor::Outlets { heads, health, genesis } = outlets;
        Self { requests, heads, health, genesis, call_deadline: settings.call_deadline }
    }

    /// Asks and reads the answer; repeated over other connections until the deadline.
    pub(crate) async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        params: &[Value],
    ) -> Result<T, Trouble> {
        self.ask_by(method, params, true, Instant::now() + self.call_deadline).await
    }

    /// Asks once: when the connection breaks, whether the node acted stays open.
    pub(crate) async fn ask_once<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        params: &[Value],
    ) -> Result<T, Trouble> {
        self.ask_by(method, params, false, Instant::now() + self.call_deadline).await
    }

    async fn ask_by<T: serde::de::DeserializeOwned>(
        &self,
        method: &'static str,
        params: &[Value],
        repeatable: bool,
        deadline: Instant,
    ) -> Result<T, Trouble> {
        let form = |error: serde_json::Error| Trouble::Form { why: error.to_string() };
        let params = if params.is_empty() {
            None
        } else {
            Some(serde_json::value::to_raw_value(params).map_err(form)?)
        };
        let (answer, answered) = oneshot::channel();
        let request = Request { method, params, repeatable, deadline, answer };
        let asked = async {
            self.requests.send(request).await.map_err(|_| Trouble::Ended)?;
            match answered.await {
                Ok(answer) => answer,
                Err(_) if self.requests.is_closed() => Err(Trouble::Ended),
                // The task lets go of requests whose time is over; the deadline itself gives the answer.
                Err(_) => std::future::pending().await,
            }
        };
        let raw = match timeout_at(deadline, asked).await {
            Ok(answer) => answer?,
            Err(_) => {
                let millis = self.call_deadline.as_millis();
                return Err(Trouble::Deadline { millis, why: self.last_trouble() });
            }
        };
        if raw.get().len() > MAX_ANSWER {
            let why = format!("{} bytes, at most {MAX_ANSWER} are read", raw.get().len());
            return Err(Trouble::Form { why });
        }
        serde_json::from_str(raw.get()).map_err(form)
    }

    /// What is wrong with the nodes, in one line.
    fn last_trouble(&self) -> Option<String> {
        let health = self.health.borrow();
        let troubles: Vec<String> = health
            .endpoints
            .iter()
            .filter(|node| node.failures > 0)
            .filter_map(|node| Some(format!("{} {}", node.endpoint, node.trouble.as_deref()?)))
            .collect();
        (!troubles.is_empty()).then(|| troubles.join("; "))
    }

    /// The newest block announced, and its successors as they come.
    pub(crate) fn heads(&self) -> watch::Receiver<Option<Seen>> {
        self.heads.clone()
    }

    /// How the connection does.
    pub(crate) fn health(&self) -> LinkHealth {
        self.health.borrow().clone()
    }

    /// Hash of block 0, once a node said it.
    pub(crate) fn genesis(&self) -> Option<BlockHash> {
        *self.genesis.borrow()
    }
}
