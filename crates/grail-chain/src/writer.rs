//! Writing to the chain as one hotkey.

use crate::{
    commitment,
    errors::{self, ChainRefusal, RetryClass},
    follow::{self, Courier, Heights, Prepared, refused},
    intents::{Book, Found, Intent, Sent, Wish},
    keys,
    link::Trouble,
    reveal,
    runtime::{Call, ExtrinsicParams, Runtime},
    subnet::{At, Subnet, check_row},
    terms::SubnetTerms,
    timelock, weights,
};
use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use grail_ports::{
    Door, Fault, Retry,
    chain::{ChainWrite, Inclusion, Uid, WeightRow},
    sign::Sign,
};
use grail_protocol::words::{BlockHash, BlockNumber, Hotkey};
use serde_json::json;
use std::{fmt, sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

/// Blocks that are looked through at once.
const BLOCKS_AT_ONCE: usize = 8;

/// Pause between two looks at a chain whose blocks are not announced.
const GLANCE: Duration = Duration::from_secs(6);

/// Pause after trouble with the connection, before the next try.
const BREATH: Duration = Duration::from_millis(500);

/// Most bytes of a block's events that are read.
const MAX_EVENTS: usize = 16 << 20;

/// A subnet, signed for by a hotkey. Cheap to clone; clones share the journal.
#[derive(Clone)]
pub struct SubnetWriter {
    subnet: Subnet,
    signer: Arc<dyn Sign>,
    /// Weights, remembered where the settings name a folder.
    weights: Arc<Mutex<Book>>,
    /// Commitments, which may be written twice without harm.
    commitments: Arc<Mutex<Book>>,
}

impl fmt::Debug for SubnetWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hotkey = self.signer.hotkey();
        f.debug_struct("SubnetWriter").field("hotkey", &hotkey).finish_non_exhaustive()
    }
}

impl SubnetWriter {
    pub(crate) fn new(subnet: Subnet, signer: Arc<dyn Sign>) -> Result<Self, Fault> {
        let (hotkey, place) = (signer.hotkey(), subnet.place());
        let Some(genesis) = subnet.genesis() else {
            let doing = "write to the chain: no node has answered yet";
            return Err(Fault::plain(Door::Chain, Retry::Later, doing));
        };
        let weights = match &subnet.settings().journal {
            Some(folder) => Book::open(folder, genesis, place, hotkey)?,
            None => Book::in_memory(genesis, place, hotkey),
        };
        let commitments = Book::in_memory(genesis, place, hotkey);
        Ok(Self {
            subnet,
            signer,
            weights: Arc::new(Mutex::new(weights)),
            commitments: Arc::new(Mutex::new(commitments)),
        })
    }

    /// The subnet.
    pub fn subnet(&self) -> &Subnet {
        &self.subnet
    }

    /// Intents to set weights, oldest first.
    pub async fn intents(&self) -> Vec<Intent> {
        self.weights.lock().await.intents().to_vec()
    }

    /// Makes a wish come true within the deadline of a write. Trouble with the connection is waited out.
    async fn carry_out(&self, book: &Mutex<Book>, wish: Wish) -> Result<Inclusion, Fault> {
        let settings = self.subnet.settings();
        let deadline = Instant::now() + settings.write_deadline;
        let doing = wish.doing();
        let work = async {
            let mut book = book.lock().await;
            loop {
                match follow::carry_out(self, &mut book, wish.clone(), settings.weights_within).await {
                    Err(fault) if waits_out(&fault) => {
                        tracing::warn!(target: "chain::intents", fault = %fault.chain(), "{doing}: once more");
                        tokio::time::sleep(BREATH).await;
                    }
                    answer => return answer,
                }
            }
        };
        timeout_at(deadline, work).await.unwrap_or_else(|_| {
            let seconds = settings.write_deadline.as_secs_f64();
            let doing = format!(
                "{doing}: not final within {seconds} s; the next call goes on where this one stopped"
            );
            Err(Fault::plain(Door::Chain, Retry::Later, doing))
        })
    }

    async fn uid(&self, at: At) -> Result<Result<Uid, ChainRefusal>, Trouble> {
        let uid = self.subnet.uid_of(&self.signer.hotkey(), at.hash).await?;
        let stranger = || errors::of_module("SubtensorModule", "HotKeyNotRegisteredInSubNet");
        Ok(uid.ok_or_else(stranger))
    }

    /// What is sent for a row of weights, or why it is not.
    async fn weigh(
        &self,
        runtime: &Runtime,
        at: At,
        row: &WeightRow,
    ) -> Result<Result<Weighed, Prepared>, Fault> {
        let fault = |trouble: Trouble| trouble.into_fault("set weights");
        let uid = match self.uid(at).await.map_err(fault)? {
            Ok(uid) => uid,
            Err(refusal) => return Ok(Err(Prepared::Refused(refusal))),
        };
        let terms = self.subnet.terms_at(runtime, at).await.map_err(fault)?;
        let (update, permit) = self.subnet.standing(uid, at.hash).await.map_err(fault)?;
        let not_before = first_allowed(update, &terms);
        // A transaction sent now stands in the next block at the earliest.
        if at.number.0.saturating_add(1) < not_before.0 {
            return Ok(Err(Prepared::TooSoon(not_before)));
        }
        let refusal = |name| Ok(Err(Prepared::Refused(errors::of_module("SubtensorModule", name))));
        if !permit {
            return refusal("NeuronNoValidatorPermit");
        }
        if let Err(name) = check_row(row, terms.participants) {
            return refusal(name);
        }
        let place = self.subnet.place();
        let version_key = self.subnet.settings().version_key.max(terms.version_key);
        if !terms.commit_reveal {
            let call = Call::set_weights(place.netuid, place.mechanism, row, version_key);
            return Ok(Ok(Weighed { call, uid, opens: None }));
        }
        let Some(sealing) = runtime.sealing(place.mechanism) else {
            return Err(Fault::plain(
                Door::Chain,
                Retry::Never,
                format!(
                    "set weights: the subnet takes sealed weights, and runtime {} has no call for them that this \
                     build knows; update this program",
                    runtime.spec()
                ),
            ));
        };
        let reveal = self.subnet.reveal_terms(runtime, at, &terms).await.map_err(fault)?;
        let moment = self.subnet.moment(runtime, at).await.map_err(fault)?;
        let seal = |error: &dyn fmt::Display| {
            Fault::plain(Door::Chain, Retry::Never, format!("seal the weights: {error}"))
        };
        let round = reveal::reveal_round(&reveal, at.number, moment).map_err(|error| seal(&error))?;
        let payload = reveal::payload(sealing.form, &self.signer.hotkey(), row, version_key);
        let sealed = tokio::task::spawn_blocking(move || timelock::seal(&payload, round))
            .await
            .map_err(|error| seal(&error))?
            .map_err(|error| seal(&error))?;
        if sealed.len() > terms.commit_limit() {
            return refusal("CommitPayloadTooLarge");
        }
        let version = self.seal_version(runtime, at).await.map_err(fault)?;
        let block = reveal::reveal_block(&reveal, at.number).map_err(|error| seal(&error))?;
        let call = Call::commit_weights(place.netuid, &sealing, &sealed, round, version);
        Ok(Ok(Weighed { call, uid, opens: Some((block, round)) }))
    }

    /// Version of sealed weights that the chain expects; the one that this build writes where it says none.
    async fn seal_version(&self, runtime: &Runtime, at: At) -> Result<u16, Trouble> {
        const OURS: u16 = 4;
        let reads = runtime.reads(&keys::COMMIT_REVEAL_VERSION);
        if !reads.map_err(|error| Trouble::Form { why: error.to_string() })? {
            return Ok(OURS);
        }
        let stored = self.subnet.value(&keys::COMMIT_REVEAL_VERSION.prefix(), at.hash).await?;
        let stored = stored.or_else(|| runtime.default_of(&keys::COMMIT_REVEAL_VERSION));
        Ok(stored.and_then(|bytes| bytes.try_into().ok()).map_or(OURS, u16::from_le_bytes))
    }

    /// Signs a call and asks the node's own check of transactions about it.
    async fn sign(&self, runtime: &Runtime, at: At, call: &Call, doing: &str) -> Result<Prepared, Fault> {
        let fault = |trouble: Trouble| trouble.into_fault(doing);
        let hotkey = self.signer.hotkey();
        let nonce: u64 =
            self.subnet.ask("system_accountNextIndex", json!([hotkey.to_ss58()])).await.map_err(fault)?;
        let mortality = self.subnet.settings().mortality;
        // A block that stays is the safer birth, unless finality lags so far that the span would be used up.
        let finalized = self.subnet.finalized_at().await.map_err(fault)?;
        let lag = at.number.0.saturating_sub(finalized.number.0);
        let birth = if lag <= mortality / 4 && finalized.number <= at.number { finalized } else { at };
        let terms = ExtrinsicParams { nonce, mortality, birth: birth.number, birth_hash: birth.hash };
        let unwritable = |error| Fault::new(Door::Chain, Retry::Never, doing, error);
        let unsigned = runtime.unsigned(call, &terms).map_err(unwritable)?;
        let payload = unsigned.to_sign().map_err(unwritable)?;
        let signer = Arc::clone(&self.signer);
        // The secret may be in another process, which is asked over a socket.
        let signature = tokio::task::spawn_blocking(move || signer.sign_call(&payload))
            .await
            .map_err(|error| Fault::new(Door::Inside, Retry::Later, doing, error))??;
        let letter = unsigned.finish(&hotkey, &signature).map_err(unwritable)?;
        match self.check(&letter.bytes, at.hash).await.map_err(fault)? {
            Ok(()) => Ok(Prepared::Ready(letter)),
            Err(refusal) if refusal.is_too_soon() => Ok(Prepared::TooSoon(Courier::not_before(self).await?)),
            Err(refusal) if refusal.class.again == RetryClass::Reconnect => Err(refused(doing, refusal)),
            Err(refusal) => Ok(Prepared::Refused(refusal)),
        }
    }

    async fn check(&self, bytes: &[u8], at: BlockHash) -> Result<Result<(), ChainRefusal>, Trouble> {
        // Where it comes from (2: from outside), the transaction, the block to look from.
        let argument = [&[2][..], bytes, at.as_bytes()].concat();
        let argument = format!("0x{}", hex::encode(argument));
        let function = "TaggedTransactionQueue_validate_transaction";
        let text: String = self.subnet.ask("state_call", json!([function, argument, at])).await?;
        let answer = hex::decode(text.trim_start_matches("0x"))
            .map_err(|error| Trouble::Form { why: error.to_string() })?;
        Ok(errors::of_validation(&answer))
    }

    /// What became of the extrinsic at a place in a block.
    async fn outcome(&self, hash: BlockHash, index: u32) -> Result<Result<(), ChainRefusal>, Fault> {
        let doing = "read what became of a transaction";
        let runtime = self.subnet.runtime(hash, doing).await?;
        let key = [
            sp_crypto_hashing::twox_128(keys::EVENTS.0.as_bytes()),
            sp_crypto_hashing::twox_128(keys::EVENTS.1.as_bytes()),
        ]
        .concat();
        let events = self.subnet.value_up_to(&key, hash, MAX_EVENTS).await;
        let events = events.map_err(|trouble| trouble.into_fault(doing))?.unwrap_or_default();
        let outcome = runtime.outcome(events, index);
        let outcome = outcome.map_err(|error| Fault::new(Door::Chain, Retry::Never, doing, error))?;
        outcome.ok_or_else(|| {
            let doing = format!("{doing}: block {hash} has no event for extrinsic {index}");
            Fault::plain(Door::Chain, Retry::Later, doing)
        })
    }

    /// Looks for a transaction in one block.
    async fn find_in(
        &self,
        wanted: &[u8],
        number: u64,
    ) -> Result<Option<(BlockNumber, BlockHash, u32)>, Trouble> {
        let number = BlockNumber(number);
        let Some(hash) = self.subnet.hash_of(number).await? else { return Ok(None) };
        let body = self.subnet.body(hash).await?.unwrap_or_default();
        let place = body.iter().position(|extrinsic| extrinsic == wanted);
        Ok(place.and_then(|place| u32::try_from(place).ok()).map(|place| (number, hash, place)))
    }
}

/// A row made into a call.
struct Weighed {
    call: Call,
    uid: Uid,
    /// Block and drand round at which it opens, where it is sealed.
    opens: Option<(BlockNumber, u64)>,
}

/// What the chain would say to a write, and what it would then hold; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DryRun {
    /// Newest block when it was looked at.
    pub block: BlockNumber,
    /// Version of the runtime.
    pub spec: u32,
    /// Pallet and name of the call; `None` where it came to none.
    pub call: Option<String>,
    /// Bytes of the call, in hexadecimal digits.
    pub call_data: Option<String>,
    /// The item of storage that it would write, with its key in hexadecimal digits.
    pub item: String,
    /// Its key, in hexadecimal digits.
    pub key: Option<String>,
    /// What stands there now, in hexadecimal digits.
    pub before: Option<String>,
    /// What would stand there, in hexadecimal digits; `None` where it is sealed or refused.
    pub after: Option<String>,
    /// Block in which sealed weights would open.
    pub opens_in: Option<BlockNumber>,
    /// Drand round that would open them.
    pub opens_with: Option<u64>,
    /// Whether the node's check of transactions takes it.
    pub answer: DryAnswer,
}

/// The answer to a write that is only tried.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum DryAnswer {
    /// It would be taken.
    Taken,
    /// Not before that block.
    TooSoon {
        /// First block in which it may stand.
        not_before: BlockNumber,
    },
    /// No.
    Refused {
        /// What the chain says, and what to do.
        why: String,
    },
}

impl SubnetWriter {
    /// What writing this commitment would do: signed and shown to the node's check, never sent.
    pub async fn try_commit(&self, data: &[u8]) -> Result<DryRun, Fault> {
        let field = commitment::encode_info(data);
        let info =
            field.map_err(|error| Fault::new(Door::Chain, Retry::Never, "write the commitment", error))?;
        let doing = "try the commitment";
        let (at, runtime) = self.subnet.fresh(doing).await?;
        let fault = |trouble: Trouble| trouble.into_fault(doing);
        let place = self.subnet.place();
        let key = keys::COMMITMENT_OF.of_hotkey(place.netuid, &self.signer.hotkey());
        let before = self.subnet.value(&key, at.hash).await.map_err(fault)?;
        let call = Call::set_commitment(place.netuid, data);
        let answer = match self.uid(at).await.map_err(fault)? {
            Ok(_) => self.sign(&runtime, at, &call, doing).await?,
            Err(refusal) => Prepared::Refused(refusal),
        };
        // The deposit stays what it is; the block is the one that it would stand in.
        let deposit = before.as_ref().and_then(|value| value.first_chunk::<8>().copied()).unwrap_or([0; 8]);
        let block = u32::try_from(at.number.0.saturating_add(1)).unwrap_or(u32::MAX);
        let after = [&deposit[..], &block.to_le_bytes(), &info].concat();
        let mut tried = tried(&runtime, at, "Commitments.CommitmentOf", &answer);
        tried.call = Some(call.title());
        tried.call_data = runtime.encode(&call).ok().map(hex::encode);
        tried.key = Some(hex::encode(key));
        tried.before = before.map(hex::encode);
        tried.after = (tried.answer == DryAnswer::Taken).then(|| hex::encode(after));
        Ok(tried)
    }

    /// What setting these weights would do: sealed where the subnet asks for it, signed and shown to the node's check,
    /// never sent and not entered into the journal.
    pub async fn try_weights(&self, row: &WeightRow) -> Result<DryRun, Fault> {
        let doing = "try the weights";
        let row = weights::upscale(row);
        let (at, runtime) = self.subnet.fresh(doing).await?;
        let weighed = match self.weigh(&runtime, at, &row).await? {
            Ok(weighed) => weighed,
            Err(prepared) => return Ok(tried(&runtime, at, "SubtensorModule.Weights", &prepared)),
        };
        let key = keys::WEIGHTS.of_uid(self.subnet.index(), weighed.uid);
        let before = self.subnet.value(&key, at.hash).await.map_err(|trouble| trouble.into_fault(doing))?;
        let answer = self.sign(&runtime, at, &weighed.call, doing).await?;
        let mut tried = tried(&runtime, at, "SubtensorModule.Weights", &answer);
        tried.call = Some(weighed.call.title());
        tried.call_data = runtime.encode(&weighed.call).ok().map(hex::encode);
        tried.key = Some(hex::encode(key));
        tried.before = before.map(hex::encode);
        let open = weighed.opens.is_none() && tried.answer == DryAnswer::Taken;
        tried.after = open.then(|| hex::encode(parity_scale_codec::Encode::encode(&row)));
        (tried.opens_in, tried.opens_with) = weighed.opens.unzip();
        Ok(tried)
    }
}

fn tried(runtime: &Runtime, at: At, item: &str, answer: &Prepared) -> DryRun {
    DryRun {
        block: at.number,
        spec: runtime.spec(),
        call: None,
        call_data: None,
        item: item.to_owned(),
        key: None,
        before: None,
        after: None,
        opens_in: None,
        opens_with: None,
        answer: match answer {
            Prepared::Ready(_) => DryAnswer::Taken,
            Prepared::TooSoon(not_before) => DryAnswer::TooSoon { not_before: *not_before },
            Prepared::Refused(refusal) => DryAnswer::Refused { why: refusal.to_string() },
        },
    }
}

/// Faults that another look at the chain may clear, while the deadline of the write lasts.
fn waits_out(fault: &Fault) -> bool {
    use std::error::Error as _;
    let expired = fault.source().is_none();
    fault.door == Door::Chain && fault.retry == Retry::Later && !expired
}

/// First block in which weights may stand after those of `update`.
pub(crate) fn first_allowed(update: BlockNumber, terms: &SubnetTerms) -> BlockNumber {
    BlockNumber(update.0.saturating_add(terms.weights_rate_limit))
}

#[async_trait]
impl Courier for SubnetWriter {
    async fn heights(&self) -> Result<Heights, Fault> {
        let read = async {
            let head = self.subnet.head_at().await?.number;
            let finalized = self.subnet.finalized_at().await?.number;
            Ok::<_, Trouble>(Heights { head: head.max(finalized), finalized })
        };
        read.await.map_err(|trouble| trouble.into_fault("read how far the chain is"))
    }

    async fn prepare(&self, wish: &Wish) -> Result<Prepared, Fault> {
        let doing = wish.doing();
        let fault = |trouble: Trouble| trouble.into_fault(doing);
        let (at, runtime) = self.subnet.fresh(doing).await?;
        let call = match wish {
            Wish::Weights(row) => match self.weigh(&runtime, at, row).await? {
                Ok(weighed) => weighed.call,
                Err(prepared) => return Ok(prepared),
            },
            Wish::Commitment(bytes) => match self.uid(at).await.map_err(fault)? {
                Ok(_) => Call::set_commitment(self.subnet.place().netuid, bytes),
                Err(refusal) => return Ok(Prepared::Refused(refusal)),
            },
        };
        self.sign(&runtime, at, &call, doing).await
    }

    async fn submit(&self, bytes: &[u8]) -> Result<Result<(), ChainRefusal>, Fault> {
        let params = json!([format!("0x{}", hex::encode(bytes))]);
        match self.subnet.ask_once::<String>("author_submitExtrinsic", params).await {
            Ok(_) => Ok(Ok(())),
            Err(Trouble::Node { code, message }) => match errors::of_submission(code) {
                Some(mut refusal) => {
                    refusal.origin = format!("{}: {message}", refusal.origin);
                    Ok(Err(refusal))
                }
                None => Err(Trouble::Node { code, message }.into_fault("send a transaction")),
            },
            Err(trouble) => Err(trouble.into_fault("send a transaction")),
        }
    }

    async fn find(&self, sent: &Sent, from: BlockNumber, to: BlockNumber) -> Result<Option<Found>, Fault> {
        // The span of a transaction bounds the search, whatever a journal may say.
        let to = to.0.min(from.0.saturating_add(self.subnet.settings().mortality.max(64)));
        let found = stream::iter(from.0..=to)
            .map(|number| self.find_in(&sent.bytes, number))
            .buffered(BLOCKS_AT_ONCE)
            .try_filter_map(|found| std::future::ready(Ok(found)));
        let found = std::pin::pin!(found).next().await.transpose();
        let found = found.map_err(|trouble| trouble.into_fault("look for a transaction"))?;
        let Some((block, block_hash, index)) = found else { return Ok(None) };
        Ok(Some(Found { block, block_hash, outcome: self.outcome(block_hash, index).await? }))
    }

    async fn not_before(&self) -> Result<BlockNumber, Fault> {
        let doing = "read when weights may be set again";
        let fault = |trouble: Trouble| trouble.into_fault(doing);
        let (at, runtime) = self.subnet.fresh(doing).await?;
        let terms = self.subnet.terms_at(&runtime, at).await.map_err(fault)?;
        match self.uid(at).await.map_err(fault)? {
            Ok(uid) => {
                let (update, _) = self.subnet.standing(uid, at.hash).await.map_err(fault)?;
                Ok(first_allowed(update, &terms).max(BlockNumber(at.number.0.saturating_add(1))))
            }
            Err(refusal) => Err(refused(doing, refusal)),
        }
    }

    async fn pause(&self, head: BlockNumber) {
        self.subnet.wait_beyond(head, GLANCE).await;
    }
}

#[async_trait]
impl ChainWrite for SubnetWriter {
    fn hotkey(&self) -> Hotkey {
        self.signer.hotkey()
    }

    async fn commit(&self, data: &[u8]) -> Result<Inclusion, Fault> {
        commitment::encode_field(data)
            .map_err(|error| Fault::new(Door::Chain, Retry::Never, "write the commitment", error))?;
        self.carry_out(&self.commitments, Wish::Commitment(data.to_vec())).await
    }

    async fn set_weights(&self, row: &WeightRow) -> Result<Inclusion, Fault> {
        self.carry_out(&self.weights, Wish::Weights(weights::upscale(row))).await
    }
}
