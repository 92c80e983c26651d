//! Carrying an intent through: one loop that looks at the chain and takes the next step.

use crate::{
    errors::{ChainRefusal, RetryClass},
    intents::{Book, Found, Intent, Sent, State, Wish},
    runtime::SignedExtrinsic,
};
use async_trait::async_trait;
use grail_ports::{Door, Fault, Retry, chain::Inclusion};
use grail_protocol::words::BlockNumber;

/// Transactions that are made for one intent at most.
const TRANSACTIONS: u32 = 8;

/// The newest block, and the newest that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heights {
    pub(crate) head: BlockNumber,
    pub(crate) finalized: BlockNumber,
}

/// What the chain says before anything is sent.
#[derive(Debug)]
pub(crate) enum Prepared {
    /// Ready to go.
    Ready(SignedExtrinsic),
    /// Not before that block.
    TooSoon(BlockNumber),
    /// No.
    Refused(ChainRefusal),
}

/// What following needs of the chain; the real one, or a scripted one in tests.
#[async_trait]
pub(crate) trait Courier: Send + Sync {
    async fn heights(&self) -> Result<Heights, Fault>;
    /// Looks whether the chain would take it, and signs a transaction.
    async fn prepare(&self, wish: &Wish) -> Result<Prepared, Fault>;
    /// Hands the bytes to a node. `Ok(Err(_))` when the node refuses them.
    async fn submit(&self, bytes: &[u8]) -> Result<Result<(), ChainRefusal>, Fault>;
    /// Looks for a transaction in these blocks, both included.
    async fn find(&self, sent: &Sent, from: BlockNumber, to: BlockNumber) -> Result<Option<Found>, Fault>;
    /// First block at which weights may be set again, after the chain said that it is too soon.
    async fn not_before(&self) -> Result<BlockNumber, Fault>;
    /// Waits until there is something new to look at: a block after this one, or some time has passed.
    async fn pause(&self, head: BlockNumber);
}

/// Makes a wish come true: goes on with what the book has open, then with the wish itself.
///
/// `Ok(Included)` once the transaction stands in a block that stays. May be dropped at any point and called again
/// with the same book.
pub(crate) async fn carry_out(
    courier: &dyn Courier,
    book: &mut Book,
    wish: Wish,
    within: u64,
) -> Result<Inclusion, Fault> {
    if let Some(open) = book.open_intent().cloned() {
        // Something with the same content is this very wish, asked for again after an interruption.
        let same = open.wish == wish;
        let ended = follow(courier, book, open, same).await?;
        if same {
            return answer(&wish, ended);
        }
    }
    let head = courier.heights().await?.head;
    let until = BlockNumber(head.0.saturating_add(within));
    let planned = book.plan(wish.clone(), head, until)?;
    let ended = follow(courier, book, planned, true).await?;
    answer(&wish, ended)
}

fn answer(wish: &Wish, ended: Ended) -> Result<Inclusion, Fault> {
    let doing = wish.doing();
    match ended {
        Ended::Done(block) => Ok(Inclusion::Included { block }),
        Ended::TooSoon(not_before) => Ok(Inclusion::TooSoon { not_before }),
        Ended::Refused(refusal) => Err(refused(doing, refusal)),
        Ended::Expired(at) => Err(Fault::plain(
            Door::Chain,
            Retry::Later,
            format!(
                "{doing}: not included until block {at}; is the node in sync, and do others get through?"
            ),
        )),
    }
}

/// A refusal as a fault: only those that pass by themselves within minutes are worth another try.
pub(crate) fn refused(doing: &str, refusal: ChainRefusal) -> Fault {
    let retry = match refusal.class.again {
        RetryClass::Later { after_blocks } if after_blocks <= 50 => Retry::Later,
        RetryClass::Reconnect => Retry::Later,
        RetryClass::Later { .. } | RetryClass::Never => Retry::Never,
    };
    Fault::new(Door::Chain, retry, format!("{doing}: the chain refuses"), refusal)
}

#[derive(Debug)]
enum Ended {
    Done(BlockNumber),
    TooSoon(BlockNumber),
    Refused(ChainRefusal),
    Expired(BlockNumber),
}

/// Follows one intent to its end. `wanted` says whether transactions may still be made for it.
async fn follow(
    courier: &dyn Courier,
    book: &mut Book,
    mut intent: Intent,
    wanted: bool,
) -> Result<Ended, Fault> {
    // Whether a node took the present transaction in this run, and whether any node can have it at all.
    let (mut handed_over, mut untouched) = (false, false);
    loop {
        let heights = courier.heights().await?;
        match intent.state.clone() {
            State::Planned => {
                let over = heights.head >= intent.until || intent.transactions >= TRANSACTIONS;
                if !wanted || over {
                    return end(book, intent, State::Expired { at: heights.head });
                }
                match courier.prepare(&intent.wish).await? {
                    Prepared::TooSoon(not_before) => {
                        return end(book, intent, State::Postponed { not_before });
                    }
                    Prepared::Refused(refusal) => return refuse(book, intent, refusal),
                    Prepared::Ready(letter) => {
                        intent.state = State::Sent(letter.into());
                        intent.transactions = intent.transactions.saturating_add(1);
                        book.update(&intent)?;
                        (handed_over, untouched) = (false, true);
                    }
                }
            }
            State::Sent(sent) => {
                let last = BlockNumber(sent.death.0.saturating_sub(1)).min(heights.head);
                let first = BlockNumber(sent.birth.0.saturating_add(1));
                let found = courier.find(&sent, first, last).await?;
                if let Some(Found { block, block_hash, .. }) = found {
                    intent.state = State::Included { block, block_hash, sent };
                    book.update(&intent)?;
                } else if heights.finalized.0 >= sent.death.0.saturating_sub(1) {
                    // Its last block stays and it stands in none: it can never come any more.
                    intent.state = State::Planned;
                    book.update(&intent)?;
                } else if heights.head.0.saturating_add(1) < sent.death.0 && !handed_over {
                    let no_node_has_it = std::mem::take(&mut untouched);
                    // The bytes are the same each time, so a node that has them already loses nothing.
                    match courier.submit(&sent.bytes).await? {
                        Ok(()) => handed_over = true,
                        Err(refusal) if refusal.is_known_to_pool() => handed_over = true,
                        Err(refusal) => {
                            // It may have been included since we looked, which makes it invalid too.
                            let head = courier.heights().await?.head;
                            if courier.find(&sent, first, head).await?.is_some() {
                                continue;
                            }
                            tracing::warn!(target: "chain::intents", id = intent.id, %refusal, "turned away");
                            if refusal.is_too_soon() {
                                let not_before = courier.not_before().await?;
                                return end(book, intent, State::Postponed { not_before });
                            }
                            if refusal.class.again == RetryClass::Never {
                                return refuse(book, intent, refusal);
                            }
                            if no_node_has_it {
                                // Nothing is under way, so another transaction may take its place at once.
                                intent.state = State::Planned;
                                book.update(&intent)?;
                            }
                            courier.pause(head).await;
                        }
                    }
                } else {
                    courier.pause(heights.head).await;
                }
            }
            State::Included { block, sent, .. } => {
                // A reorganisation may have moved or removed it since.
                match courier.find(&sent, block, block).await? {
                    None => {
                        intent.state = State::Sent(sent);
                        book.update(&intent)?;
                        handed_over = false;
                    }
                    Some(_) if heights.finalized < block => courier.pause(heights.head).await,
                    Some(Found { outcome: Ok(()), .. }) => {
                        return end(book, intent, State::Finalized { block, hash: sent.hash });
                    }
                    Some(Found { outcome: Err(refusal), .. }) if refusal.is_too_soon() => {
                        let not_before = courier.not_before().await?;
                        return end(book, intent, State::Postponed { not_before });
                    }
                    Some(Found { outcome: Err(refusal), .. }) => {
                        if refusal.class.again == RetryClass::Reconnect {
                            // The setting that it met has changed; a fresh transaction reads it.
                            intent.state = State::Planned;
                            book.update(&intent)?;
                        } else {
                            return refuse(book, intent, refusal);
                        }
                    }
                }
            }
            State::Finalized { block, .. } => return Ok(Ended::Done(block)),
            State::Expired { at } => return Ok(Ended::Expired(at)),
            State::Postponed { not_before } => return Ok(Ended::TooSoon(not_before)),
            State::Refused { why } => {
                let doing = format!("{}: {why}", intent.wish.doing());
                return Err(Fault::plain(Door::Chain, Retry::Never, doing));
            }
        }
    }
}

fn refuse(book: &mut Book, mut intent: Intent, refusal: ChainRefusal) -> Result<Ended, Fault> {
    intent.state = State::Refused { why: refusal.to_string() };
    book.update(&intent)?;
    Ok(Ended::Refused(refusal))
}

fn end(book: &mut Book, mut intent: Intent, state: State) -> Result<Ended, Fault> {
    let ended = match &state {
        State::Finalized { block, .. } => Ended::Done(*block),
        State::Postponed { not_before } => Ended::TooSoon(*not_before),
        State::Expired { at } => Ended::Expired(*at),
        State::Planned | State::Sent(_) | State::Included { .. } | State::Refused { .. } => {
            Ended::Expired(intent.until)
        }
    };
    intent.state = state;
    book.update(&intent)?;
    Ok(ended)
}
