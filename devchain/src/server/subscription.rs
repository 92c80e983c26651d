//! What a subscription tells, and when it ends.

use crate::{
    chain::{Chain, Event},
    text::Hash,
};
use axum::extract::ws::Message;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc};

/// What is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    /// Heads of the best chain.
    Best,
    /// Every block that is made.
    All,
    /// Blocks that become final.
    Finalized,
    /// The runtime of the best chain.
    Version,
    /// One extrinsic.
    Extrinsic(Hash),
}

/// A subscription that the client will know of.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) id: String,
    pub(super) topic: Topic,
    pub(super) events: broadcast::Receiver<Arc<Event>>,
    /// What is told at once.
    pub(super) first: Vec<Value>,
}

/// How a subscription ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// There is no more to tell.
    Done(String),
    /// The client was too slow to be told everything.
    Slow(String),
    /// Nobody listens any more, or the node ends.
    Over,
}

impl Topic {
    /// Name under which its news are sent.
    fn method(self) -> &'static str {
        match self {
            Self::Best => "chain_newHead",
            Self::All => "chain_allHead",
            Self::Finalized => "chain_finalizedHead",
            Self::Version => "state_runtimeVersion",
            Self::Extrinsic(_) => "author_extrinsicUpdate",
        }
    }

    /// What an event means here; `true`: and nothing will follow.
    fn news(self, event: &Event) -> Option<(Value, bool)> {
        let on = |value| Some((value, false));
        match (self, event) {
            (Self::Best, Event::Joined { notice, tip: true })
            | (Self::All, Event::Imported(notice))
            | (Self::Finalized, Event::Finalized(notice)) => on(notice.header.clone()),
            (Self::Version, Event::Version(version)) => on(version.clone()),
            (Self::Extrinsic(hash), event) => match event {
                Event::Joined { notice, .. } if notice.included.contains(&hash) => {
                    on(json!({"inBlock": notice.hash.to_string()}))
                }
                Event::Retracted(notice) if notice.included.contains(&hash) => {
                    on(json!({"retracted": notice.hash.to_string()}))
                }
                Event::Finalized(notice) if notice.included.contains(&hash) => {
                    Some((json!({"finalized": notice.hash.to_string()}), true))
                }
                Event::Invalid(other) if *other == hash => Some((json!("invalid"), true)),
                Event::Usurped { old, new } if *old == hash => {
                    Some((json!({"usurped": new.to_string()}), true))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// What is told to one who begins to follow now.
pub(super) fn present(chain: &Chain, topic: &Topic) -> Vec<Value> {
    let history = chain.history();
    let header = match topic {
        Topic::Best | Topic::All => Some(history.best()),
        Topic::Finalized => history.block(history.finalized()),
        Topic::Version => return vec![chain.version().clone()],
        Topic::Extrinsic(_) => None,
    };
    header.map(|block| block.notice.header.clone()).into_iter().collect()
}

/// Tells a client what happens, until there is no more to tell.
pub(super) async fn follow(started: Started, out: mpsc::Sender<Message>) -> End {
    let Started { id, topic, mut events, first } = started;
    let message = |result: Value| {
        let text = json!({
            "jsonrpc": "2.0",
            "method": topic.method(),
            "params": {"subscription": id, "result": result},
        });
        Message::text(text.to_string())
    };
    for value in first {
        if out.send(message(value)).await.is_err() {
            return End::Over;
        }
    }
    loop {
        let event = match events.recv().await {
            Ok(event) => event,
            Err(broadcast::error::RecvError::Lagged(_)) => return End::Slow(id),
            Err(broadcast::error::RecvError::Closed) => return End::Over,
        };
        let Some((value, last)) = topic.news(&event) else { continue };
        if out.send(message(value)).await.is_err() {
            return End::Over;
        }
        if last {
            return End::Done(id);
        }
    }
}
