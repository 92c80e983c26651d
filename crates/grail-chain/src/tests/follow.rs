//! An intent against a scripted chain: every kind of bad luck, and a kill at every step, set the weights once.

use crate::{
    errors::{self, ChainRefusal},
    follow::{Courier, Heights, Prepared, carry_out},
    intents::{Book, Found, Sent, State, Wish, look},
    keys::SubnetMechanism,
    runtime::SignedExtrinsic,
};
use async_trait::async_trait;
use futures::FutureExt as _;
use grail_ports::{Door, Fault, Retry, chain::Inclusion};
use grail_protocol::words::{BlockHash, BlockNumber, Hotkey};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

const GENESIS: BlockHash = BlockHash::from_bytes([1; 32]);
const PLACE: SubnetMechanism = SubnetMechanism::subnet(81);
const WHO: Hotkey = Hotkey::from_bytes([2; 32]);
const RATE_LIMIT: u64 = 40;
const MORTALITY: u64 = 8;

/// A transaction with what became of it.
type Settled = (Vec<u8>, Result<(), ChainRefusal>);

#[derive(Default)]
struct Script {
    head: u64,
    /// Blocks behind the head that may still be replaced.
    lag: u64,
    /// Transactions in blocks, with what became of them.
    blocks: BTreeMap<u64, Vec<Settled>>,
    pool: Vec<Vec<u8>>,
    last_update: Option<u64>,
    letters: u8,
    /// Transactions that nodes lose, counted down.
    lose: u32,
    /// Submissions that are taken and answered with a broken connection, counted down.
    stay_silent: u32,
    /// Answers to the next submissions.
    turn_away: Vec<ChainRefusal>,
    /// Answers to the next questions whether the chain would take it.
    refuse: Vec<ChainRefusal>,
    /// Block with which another runtime begins: what was signed before it holds no longer.
    upgrade: Option<u64>,
    /// Block whose content moves back into the pool when it is two deep.
    reorganise: bool,
}

/// A chain whose time passes when somebody waits for it.
#[derive(Default)]
struct Scripted(Mutex<Script>);

impl Scripted {
    fn with(change: impl FnOnce(&mut Script)) -> Arc<Self> {
        let mut script = Script { head: 100, ..Script::default() };
        change(&mut script);
        Arc::new(Self(Mutex::new(script)))
    }

    fn block_passes(&self) {
        let mut script = self.0.lock().unwrap();
        script.head += 1;
        let head = script.head;
        let pool = std::mem::take(&mut script.pool);
        for bytes in pool {
            if script.upgrade.is_some_and(|block| head >= block && u64::from(bytes[1]) < block) {
                continue;
            }
            let (birth, death) = (u64::from(bytes[1]), u64::from(bytes[2]));
            if (birth..death).contains(&head) {
                let fresh = script.last_update.is_some_and(|last| head < last + RATE_LIMIT);
                let outcome = if fresh {
                    Err(errors::of_module("SubtensorModule", errors::TOO_FAST))
                } else {
                    script.last_update = Some(head);
                    Ok(())
                };
                script.blocks.entry(head).or_default().push((bytes, outcome));
            } else if head < birth {
                script.pool.push(bytes);
            }
        }
        if script.reorganise && script.blocks.contains_key(&(head - 1)) {
            script.reorganise = false;
            let moved = script.blocks.remove(&(head - 1)).unwrap_or_default();
            script.pool.extend(moved.into_iter().map(|(bytes, _)| bytes));
            script.last_update = None;
        }
    }

    /// Transactions that set weights.
    fn times_set(&self) -> usize {
        let script = self.0.lock().unwrap();
        script.blocks.values().flatten().filter(|(_, outcome)| outcome.is_ok()).count()
    }
}

/// The way to the chain; after so many steps it never answers again.
struct Way {
    chain: Arc<Scripted>,
    steps: AtomicU32,
}

impl Way {
    fn to(chain: &Arc<Scripted>) -> Self {
        Self { chain: Arc::clone(chain), steps: AtomicU32::new(u32::MAX) }
    }

    fn killed_after(chain: &Arc<Scripted>, steps: u32) -> Self {
        Self { chain: Arc::clone(chain), steps: AtomicU32::new(steps) }
    }

    async fn step(&self) {
        let left = self.steps.load(Ordering::SeqCst);
        if left == 0 {
            return std::future::pending().await;
        }
        self.steps.store(left - 1, Ordering::SeqCst);
    }

    /// One step before the work and one after it, so that a kill can fall on either side.
    async fn around<T>(&self, work: impl FnOnce(&mut Script) -> T) -> T {
        self.step().await;
        let done = work(&mut self.chain.0.lock().unwrap());
        self.step().await;
        done
    }
}

#[async_trait]
impl Courier for Way {
    async fn heights(&self) -> Result<Heights, Fault> {
        Ok(self
            .around(|script| Heights {
                head: BlockNumber(script.head),
                finalized: BlockNumber(script.head.saturating_sub(script.lag)),
            })
            .await)
    }

    async fn prepare(&self, _: &Wish) -> Result<Prepared, Fault> {
        Ok(self
            .around(|script| {
                if !script.refuse.is_empty() {
                    return Prepared::Refused(script.refuse.remove(0));
                }
                if let Some(last) = script.last_update.filter(|last| script.head + 1 < last + RATE_LIMIT) {
                    return Prepared::TooSoon(BlockNumber(last + RATE_LIMIT));
                }
                script.letters += 1;
                let (birth, death) = (script.head, script.head + MORTALITY);
                let bytes = vec![script.letters, birth as u8, death as u8];
                let mut hash = [0; 32];
                hash[..3].copy_from_slice(&bytes);
                Prepared::Ready(SignedExtrinsic {
                    bytes,
                    hash,
                    birth: BlockNumber(birth),
                    death: BlockNumber(death),
                })
            })
            .await)
    }

    async fn submit(&self, bytes: &[u8]) -> Result<Result<(), ChainRefusal>, Fault> {
        self.around(|script| {
            if !script.turn_away.is_empty() {
                return Ok(Err(script.turn_away.remove(0)));
            }
            if script.upgrade.is_some_and(|block| script.head >= block && u64::from(bytes[1]) < block) {
                return Ok(Err(errors::of_submission(1010).unwrap()));
            }
            let included = script.blocks.values().flatten().any(|(known, _)| known == bytes);
            if included {
                return Ok(Err(errors::of_submission(1010).unwrap()));
            }
            if script.pool.iter().any(|known| known == bytes) {
                return Ok(Err(errors::of_submission(1013).unwrap()));
            }
            if script.lose > 0 {
                script.lose -= 1;
                return Ok(Ok(()));
            }
            script.pool.push(bytes.to_vec());
            if script.stay_silent > 0 {
                script.stay_silent -= 1;
                return Err(Fault::plain(Door::Chain, Retry::Later, "the connection broke"));
            }
            Ok(Ok(()))
        })
        .await
    }

    async fn find(&self, sent: &Sent, from: BlockNumber, to: BlockNumber) -> Result<Option<Found>, Fault> {
        Ok(self
            .around(|script| {
                let blocks = script.blocks.range(from.0..=to.0.max(from.0));
                blocks.filter(|(number, _)| **number <= to.0).find_map(|(number, content)| {
                    let (_, outcome) = content.iter().find(|(bytes, _)| *bytes == sent.bytes)?;
                    let block_hash = BlockHash::from_bytes([*number as u8; 32]);
                    Some(Found { block: BlockNumber(*number), block_hash, outcome: outcome.clone() })
                })
            })
            .await)
    }

    async fn not_before(&self) -> Result<BlockNumber, Fault> {
        Ok(self.around(|script| BlockNumber(script.last_update.unwrap_or(0) + RATE_LIMIT)).await)
    }

    async fn pause(&self, _: BlockNumber) {
        self.step().await;
        self.chain.block_passes();
        self.step().await;
    }
}

fn book(folder: &Path) -> Book {
    Book::open(folder, GENESIS, PLACE, WHO).unwrap()
}

fn row(weight: u16) -> Wish {
    Wish::Weights(vec![(1, weight)])
}

/// Runs to the end; the scripted chain never makes anybody wait.
fn run(way: &Way, book: &mut Book, wish: Wish, within: u64) -> Result<Inclusion, Fault> {
    carry_out(way, book, wish, within).now_or_never().expect("nothing waits")
}

fn last(book: &Book) -> State {
    book.intents().last().unwrap().state.clone()
}

fn included(done: &Result<Inclusion, Fault>) -> bool {
    matches!(done, Ok(Inclusion::Included { .. }))
}

#[test]
fn weights_are_set_once_and_only_when_they_stay() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Scripted::with(|script| script.lag = 3);
    let mut book = book(dir.path());
    let done = run(&Way::to(&chain), &mut book, row(5), 50);
    assert_eq!(done.unwrap(), Inclusion::Included { block: BlockNumber(101) });
    assert_eq!(chain.times_set(), 1);
    assert_eq!(chain.0.lock().unwrap().head, 104, "it waited until the block stays");
    assert!(matches!(last(&book), State::Finalized { block: BlockNumber(101), .. }));
    let again = run(&Way::to(&chain), &mut book, row(6), 50).unwrap();
    assert_eq!(again, Inclusion::TooSoon { not_before: BlockNumber(141) });
    assert_eq!(last(&book), State::Postponed { not_before: BlockNumber(141) });
}

#[test]
fn a_kill_at_any_step_neither_loses_nor_doubles_them() {
    for (lag, reorganise) in [(0, false), (2, false), (2, true)] {
        {
            let mut finished = false;
            for steps in 0..200 {
                let dir = tempfile::tempdir().unwrap();
                let chain = Scripted::with(|script| (script.lag, script.reorganise) = (lag, reorganise));
                let way = Way::killed_after(&chain, steps);
                let mut first = book(dir.path());
                let done = carry_out(&way, &mut first, row(5), 50).now_or_never();
                drop(first);
                finished = done.is_some();
                // The world goes on while nobody runs, for longer and shorter than a transaction lives.
                for _ in 0..steps % 13 {
                    chain.block_passes();
                }
                let mut second = book(dir.path());
                let settled = second.open_intent().is_none() && chain.times_set() == 1;
                let done = run(&Way::to(&chain), &mut second, row(5), 50);
                let at_peace = included(&done) || settled && matches!(done, Ok(Inclusion::TooSoon { .. }));
                assert!(at_peace, "killed after {steps} steps, lag {lag}: {done:?}");
                assert_eq!(chain.times_set(), 1, "killed after {steps} steps, lag {lag}");
            }
            assert!(finished, "no run came to its end, so not every step was tried");
        }
    }
}

#[test]
fn a_second_kill_changes_nothing() {
    for first in 0..40 {
        for second in (0..40).step_by(3) {
            let dir = tempfile::tempdir().unwrap();
            let chain = Scripted::with(|script| (script.lag, script.lose) = (1, 1));
            for steps in [first, second] {
                let mut open = book(dir.path());
                let _ = carry_out(&Way::killed_after(&chain, steps), &mut open, row(5), 90).now_or_never();
            }
            let done = run(&Way::to(&chain), &mut book(dir.path()), row(5), 90);
            assert!(included(&done) || matches!(done, Ok(Inclusion::TooSoon { .. })), "{done:?}");
            assert_eq!(chain.times_set(), 1, "killed after {first} and {second} steps");
        }
    }
}

#[test]
fn a_lost_transaction_is_replaced_only_after_its_last_block_stays() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Scripted::with(|script| (script.lag, script.lose) = (2, 1));
    let mut book = book(dir.path());
    let done = run(&Way::to(&chain), &mut book, row(5), 50).unwrap();
    assert_eq!(done, Inclusion::Included { block: BlockNumber(100 + MORTALITY - 1 + 2 + 1) });
    assert_eq!((chain.times_set(), book.intents().last().unwrap().transactions), (1, 2));
}

/// What was signed for the old runtime is dropped by every pool; the weights come once all the same, whether the upgrade
/// falls before the transaction is handed over, while it waits, or after it was included.
#[test]
fn an_upgrade_of_the_runtime_in_the_middle_loses_nothing() {
    for block in 100..106 {
        for lag in [0, 2] {
            let dir = tempfile::tempdir().unwrap();
            let chain = Scripted::with(|script| (script.upgrade, script.lag) = (Some(block), lag));
            let mut book = book(dir.path());
            let done = run(&Way::to(&chain), &mut book, row(5), 50);
            assert!(included(&done), "upgrade at {block}: {done:?}");
            assert_eq!((chain.times_set(), book.intents().len()), (1, 1), "upgrade at {block}");
        }
    }
}

#[test]
fn the_interval_ends() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Scripted::with(|script| script.lose = 99);
    let mut book = book(dir.path());
    let fault = run(&Way::to(&chain), &mut book, row(5), 20).unwrap_err();
    assert_eq!((fault.door, fault.retry), (Door::Chain, Retry::Later));
    assert!(matches!(last(&book), State::Expired { at } if at.0 >= 120), "{:?}", last(&book));
    assert_eq!(chain.times_set(), 0);
}

#[test]
fn a_broken_connection_after_sending_is_no_second_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Scripted::with(|script| script.stay_silent = 1);
    let mut book = book(dir.path());
    let fault = run(&Way::to(&chain), &mut book, row(5), 50).unwrap_err();
    assert_eq!(fault.retry, Retry::Later);
    assert!(matches!(last(&book), State::Sent(_)));
    assert!(included(&run(&Way::to(&chain), &mut book, row(5), 50)));
    assert_eq!((chain.times_set(), book.intents().len()), (1, 1));
}

#[test]
fn another_row_waits_until_the_first_is_decided() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Scripted::with(|script| (script.lag, script.stay_silent) = (2, 1));
    let mut book = book(dir.path());
    assert!(run(&Way::to(&chain), &mut book, row(5), 50).is_err());
    let other = run(&Way::to(&chain), &mut book, row(6), 50).unwrap();
    assert_eq!(other, Inclusion::TooSoon { not_before: BlockNumber(141) }, "the first was set after all");
    assert!(matches!(book.intents()[0].state, State::Finalized { .. }));
    assert_eq!(chain.times_set(), 1);
}

#[test]
fn a_refusal_is_final_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let no = errors::of_module("SubtensorModule", "HotKeyNotRegisteredInSubNet");
    let chain = Scripted::with(|script| script.refuse = vec![no]);
    let mut book = book(dir.path());
    let fault = run(&Way::to(&chain), &mut book, row(5), 50).unwrap_err();
    assert_eq!((fault.door, fault.retry), (Door::Chain, Retry::Never));
    assert!(fault.chain().contains("btcli subnets register --netuid N"), "{fault:?}");
    assert!(matches!(last(&book), State::Refused { .. }));
    assert!(included(&run(&Way::to(&chain), &mut book, row(5), 50)), "the next wish starts afresh");
}

#[test]
fn a_node_that_turns_it_away_once_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let stale = errors::of_submission(1010).unwrap();
    let full = errors::of_submission(1016).unwrap();
    let chain = Scripted::with(|script| script.turn_away = vec![stale, full]);
    let mut book = book(dir.path());
    assert!(included(&run(&Way::to(&chain), &mut book, row(5), 50)));
    assert_eq!(chain.times_set(), 1);
}

#[test]
fn a_journal_has_one_owner_and_one_network() {
    let dir = tempfile::tempdir().unwrap();
    let chain = Scripted::with(|_| {});
    let mut first = book(dir.path());
    let second = Book::open(dir.path(), GENESIS, PLACE, WHO).unwrap_err();
    assert!(second.chain().contains("another process"), "{second:?}");
    run(&Way::to(&chain), &mut first, row(5), 50).unwrap();
    drop(first);
    let elsewhere = Book::open(dir.path(), BlockHash::from_bytes([9; 32]), PLACE, WHO).unwrap_err();
    assert!(elsewhere.chain().contains("belongs to the network"), "{elsewhere:?}");
    assert_eq!(book(dir.path()).intents().len(), 1);
    let seen = look(dir.path()).unwrap();
    assert_eq!((seen.len(), seen[0].0, seen[0].1), (1, WHO, PLACE));
    let file = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    std::fs::write(&file, b"{").unwrap();
    let broken = Book::open(dir.path(), GENESIS, PLACE, WHO).unwrap_err();
    assert!(broken.chain().contains("not a journal"), "{broken:?}");
    assert_eq!(look(&dir.path().join("absent")).unwrap(), []);
}

#[test]
fn a_journal_forgets_what_is_long_over() {
    let mut book = Book::in_memory(GENESIS, PLACE, WHO);
    for number in 0..100 {
        let mut intent = book.plan(row(1), BlockNumber(number), BlockNumber(number)).unwrap();
        intent.state = State::Expired { at: BlockNumber(number) };
        book.update(&intent).unwrap();
    }
    assert_eq!(book.intents().len(), 64);
    assert_eq!(book.intents().last().unwrap().id, 100);
}
