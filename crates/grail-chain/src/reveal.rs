//! Commit-reveal: what is sealed, and the drand round that opens it.
//!
//! A subnet with commit-reveal takes weights sealed. They must open when the chain begins the epoch in which it
//! reveals them: opened earlier, others copy them; opened later, they are lost. The round aimed at is the one that
//! drand publishes three blocks after that epoch's first block, as the SDK does.

use grail_ports::chain::WeightRow;
use grail_protocol::words::{BlockNumber, Hotkey, UnixMillis};
use parity_scale_codec::Encode;

/// First moment of drand's quicknet, in seconds since 1970.
pub const QUICKNET_GENESIS: u64 = 1_692_803_367;

/// Seconds between two rounds of quicknet.
pub const QUICKNET_PERIOD: u64 = 3;

/// Blocks after the first of the revealing epoch at which the round comes out.
const SAFETY_BLOCKS: u64 = 3;

/// Which form of the sealed content a runtime reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadForm {
    /// Uids, values, version key: runtimes up to the summer of 2025.
    Bare,
    /// The same with the hotkey before them, so that nobody can send another's sealed weights as their own.
    WithHotkey,
}

/// What is sealed, as bytes.
pub fn payload(form: PayloadForm, hotkey: &Hotkey, row: &WeightRow, version_key: u64) -> Vec<u8> {
    let uids: Vec<u16> = row.iter().map(|pair| pair.0).collect();
    let values: Vec<u16> = row.iter().map(|pair| pair.1).collect();
    match form {
        PayloadForm::Bare => (uids, values, version_key).encode(),
        PayloadForm::WithHotkey => (hotkey.as_bytes().to_vec(), uids, values, version_key).encode(),
    }
}

/// Blocks since an epoch last ran, beyond which the chain begins one in every block, where the runtime states no
/// other: its constant `MaxTempo`.
pub const FORCED_AFTER: u64 = 50_400;

/// How a runtime lays out its epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epochs {
    /// By counting from block 0: an epoch has `tempo + 1` blocks, shifted by the subnet's number.
    Counted {
        /// The subnet.
        netuid: u16,
    },
    /// By a block that the chain remembers: the next epoch begins `tempo` blocks after it.
    Remembered(EpochState),
}

/// Where a runtime that remembers its epochs stands, at the end of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct EpochState {
    /// First block of the current epoch (`LastEpochBlock`).
    pub last: BlockNumber,
    /// A moment that the subnet's owner asked for (`PendingEpochAt`); 0 when none is pending.
    pub pending: BlockNumber,
    /// Epochs begun so far (`SubnetEpochIndex`).
    pub index: u64,
    /// Blocks since an epoch was carried out (`BlocksSinceLastStep`).
    pub since: u64,
    /// `since` beyond which an epoch is forced (`MaxTempo`).
    pub forced_after: u64,
}

/// An epoch that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Beginning {
    /// Its block.
    block: u64,
    /// First block in which commits are opened under its number: the same, or the next where only that block's own
    /// step made it due, since commits are opened before the step.
    opens: u64,
}

impl EpochState {
    /// The first epoch that begins after block `head`, whose end this state is. Bounds of sums are those of `u64`.
    fn next(&self, head: u64, tempo: u64) -> Beginning {
        let soonest = head.saturating_add(1);
        let mut planned = self.last.0.saturating_add(tempo);
        if self.pending.0 > 0 {
            planned = planned.min(self.pending.0);
        }
        let planned = planned.max(soonest);
        // The step counts the block before it looks, the opening of commits looks before.
        let left = self.forced_after.saturating_sub(self.since);
        let forced = soonest.saturating_add(left);
        let seen = if self.since > self.forced_after { soonest } else { forced.saturating_add(1) };
        Beginning { block: planned.min(forced), opens: planned.min(seen) }
    }

    /// First block in which commits of the block after `head` are opened, `period` epochs later.
    ///
    /// The same block as `predict_first_reveal_block` of bittensor-drand 2.0.0, which steps through every block.
    fn opens(&self, head: BlockNumber, tempo: u64, period: u64) -> u64 {
        let committed = head.0.saturating_add(1);
        let first = self.next(head.0, tempo);
        let second = Self { last: BlockNumber(first.block), pending: BlockNumber(0), since: 0, ..*self };
        // A commit in the very block of an epoch belongs to it.
        let wanted = period.saturating_add(u64::from(first.opens == committed));
        match wanted {
            0 => committed,
            1 => first.opens,
            _ => {
                let next = second.next(first.block, tempo);
                // From here on nothing is pending and nothing was missed: each epoch is as long as the last.
                let length = next.block.saturating_sub(first.block);
                next.opens.saturating_add((wanted - 2).saturating_mul(length))
            }
        }
    }

    /// Block in which the next epoch begins, as far as is known at the end of block `head`.
    pub fn next_epoch(&self, head: BlockNumber, tempo: u16) -> Option<BlockNumber> {
        (tempo > 0).then(|| BlockNumber(self.next(head.0, u64::from(tempo)).block))
    }
}

/// What decides the round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevealTerms {
    /// Blocks of an epoch, as the chain counts them.
    pub tempo: u16,
    /// Epochs between commit and reveal.
    pub period: u64,
    /// How epochs are laid out.
    pub epochs: Epochs,
    /// Milliseconds between two blocks.
    pub block_time_ms: u64,
}

/// Why there is no round.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevealError {
    /// A subnet that never comes to an epoch.
    #[error("the subnet's tempo is 0, so weights would never be revealed")]
    NoTempo,
    /// A moment before drand's first round.
    #[error("block {block} would be revealed before drand's first round; is the chain's clock right?")]
    BeforeDrand {
        /// Block of the reveal.
        block: BlockNumber,
    },
}

/// First block of the epoch in which weights committed in the block after `head` are revealed.
pub fn reveal_block(terms: &RevealTerms, head: BlockNumber) -> Result<BlockNumber, RevealError> {
    if terms.tempo == 0 {
        return Err(RevealError::NoTempo);
    }
    let tempo = u64::from(terms.tempo);
    let committed = head.0.saturating_add(1);
    let first = match terms.epochs {
        Epochs::Counted { netuid } => {
            let (length, shift) = (tempo + 1, u64::from(netuid) + 1);
            let epoch = committed.saturating_add(shift).checked_div(length).unwrap_or(0);
            let reveals = epoch.saturating_add(terms.period);
            reveals.saturating_mul(length).saturating_sub(shift)
        }
        Epochs::Remembered(state) => state.opens(head, tempo, terms.period),
    };
    Ok(BlockNumber(first))
}

/// The drand round with which weights committed in the block after `head` open. `time` is that of `head`.
pub fn reveal_round(terms: &RevealTerms, head: BlockNumber, time: UnixMillis) -> Result<u64, RevealError> {
    let block = reveal_block(terms, head)?;
    let blocks = block.0.saturating_sub(head.0).saturating_add(SAFETY_BLOCKS);
    let moment = time.plus(blocks.saturating_mul(terms.block_time_ms)).0 / 1_000;
    let since = moment.checked_sub(QUICKNET_GENESIS).ok_or(RevealError::BeforeDrand { block })?;
    Ok(since / QUICKNET_PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: Hotkey = Hotkey::from_bytes([9; 32]);

    fn state(last: u64, pending: u64, since: u64) -> EpochState {
        let (last, pending) = (BlockNumber(last), BlockNumber(pending));
        EpochState { last, pending, index: 7, since, forced_after: FORCED_AFTER }
    }

    /// What the chain does, block by block: it opens commits, then counts the block, then begins an epoch if one is due.
    fn stepped(mut now: EpochState, head: u64, tempo: u64, period: u64) -> Option<u64> {
        let due = |now: &EpochState, block: u64| {
            (now.pending.0 > 0 && block >= now.pending.0)
                || now.since > now.forced_after
                || block.saturating_sub(now.last.0) >= tempo
        };
        let committed = head + 1;
        let wanted = now.index + u64::from(due(&now, committed)) + period;
        for block in committed..committed + (period + 1) * FORCED_AFTER + 2 {
            if now.index + u64::from(due(&now, block)) == wanted {
                return Some(block);
            }
            now.since += 1;
            if due(&now, block) {
                let (last, pending) = (BlockNumber(block), BlockNumber(0));
                now = EpochState { last, pending, index: now.index + 1, since: 0, ..now };
            }
        }
        None
    }

    #[test]
    fn both_forms_of_the_content() {
        let row = vec![(1, 65_535), (2, 3)];
        let bare = payload(PayloadForm::Bare, &WHO, &row, 5);
        let expected = [&[8, 1, 0, 2, 0, 8, 255, 255, 3, 0][..], &[5, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(bare, expected);
        let with_hotkey = payload(PayloadForm::WithHotkey, &WHO, &row, 5);
        assert_eq!(with_hotkey, [&[32 << 2][..], &[9; 32], &expected].concat());
    }

    #[test]
    fn counted_epochs_reveal_in_the_first_block_of_the_right_one() {
        let terms = |period| RevealTerms {
            tempo: 9,
            period,
            epochs: Epochs::Counted { netuid: 1 },
            block_time_ms: 12_000,
        };
        // Epoch n begins at block 10 n - 2. The block after head 27 is the first of epoch 3.
        assert_eq!(reveal_block(&terms(1), BlockNumber(26)), Ok(BlockNumber(28)));
        assert_eq!(reveal_block(&terms(1), BlockNumber(27)), Ok(BlockNumber(38)));
        assert_eq!(reveal_block(&terms(3), BlockNumber(27)), Ok(BlockNumber(58)));
    }

    #[test]
    fn remembered_epochs_follow_the_chains_own_block() {
        let terms = |pending| RevealTerms {
            tempo: 10,
            period: 1,
            epochs: Epochs::Remembered(state(100, pending, 0)),
            block_time_ms: 12_000,
        };
        assert_eq!(reveal_block(&terms(0), BlockNumber(100)), Ok(BlockNumber(110)));
        assert_eq!(reveal_block(&terms(0), BlockNumber(108)), Ok(BlockNumber(110)));
        assert_eq!(reveal_block(&terms(0), BlockNumber(109)), Ok(BlockNumber(120)));
        assert_eq!(reveal_block(&terms(105), BlockNumber(100)), Ok(BlockNumber(105)));
        let longer = RevealTerms { period: 3, ..terms(0) };
        assert_eq!(reveal_block(&longer, BlockNumber(100)), Ok(BlockNumber(130)));
    }

    /// Head + 724 is the block of the round; the commits open three blocks before. The values are those of
    /// `get_encrypted_commit_v2` in bittensor-core 0.1.5 (and bittensor-drand 2.0.0).
    #[test]
    fn an_epoch_is_forced_where_none_ran_for_long() {
        let opens = |since, tempo, pending, period| {
            let epochs = Epochs::Remembered(state(172, pending, since));
            let terms = RevealTerms { tempo, period, epochs, block_time_ms: 12_000 };
            reveal_block(&terms, BlockNumber(172)).unwrap().0 - 172
        };
        let recorded = [
            ((50_400, 360, 0, 3), 721),
            ((50_399, 360, 0, 3), 722),
            ((50_401, 360, 0, 3), 1_081),
            ((400, 360, 0, 3), 1_080),
            ((361, 360, 0, 3), 1_080),
            ((0, 65_535, 0, 2), 100_803),
            ((0, 360, 180, 0), 1),
        ];
        for ((since, tempo, pending, period), block) in recorded {
            assert_eq!(opens(since, tempo, pending, period), block, "{since} {tempo} {pending} {period}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
        #[test]
        fn epochs_open_where_the_chain_steps_to(
            head in 1_000u64..200_000,
            age in 0u64..1_500,
            asked in proptest::option::of(-50i64..500),
            since in proptest::prop_oneof![0u64..2_000, 50_000u64..51_000],
            tempo in proptest::prop_oneof![1u16..1_000, 50_300u16..50_500],
            period in 0u64..4,
        ) {
            let pending = asked.map_or(0, |asked| head.saturating_add_signed(asked));
            let now = state(head.saturating_sub(age), pending, since);
            let terms = RevealTerms { tempo, period, epochs: Epochs::Remembered(now), block_time_ms: 12_000 };
            let ours = reveal_block(&terms, BlockNumber(head)).unwrap().0;
            proptest::prop_assert_eq!(Some(ours), stepped(now, head, u64::from(tempo), period));
        }
    }

    #[test]
    fn the_round_comes_out_three_blocks_into_the_epoch() {
        let terms =
            RevealTerms { tempo: 9, period: 1, epochs: Epochs::Counted { netuid: 1 }, block_time_ms: 12_000 };
        let time = UnixMillis((QUICKNET_GENESIS + 300) * 1_000);
        // Eleven blocks to block 38, and three more.
        assert_eq!(reveal_round(&terms, BlockNumber(27), time), Ok(100 + 14 * 4));
        let long_ago = reveal_round(&terms, BlockNumber(27), UnixMillis(0));
        assert_eq!(long_ago, Err(RevealError::BeforeDrand { block: BlockNumber(38) }));
        let never = RevealTerms { tempo: 0, ..terms };
        assert_eq!(reveal_round(&never, BlockNumber(27), time), Err(RevealError::NoTempo));
    }
}
