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

/// How a runtime lays out its epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epochs {
    /// By counting from block 0: an epoch has `tempo + 1` blocks, shifted by the subnet's number.
    Counted {
        /// The subnet.
        netuid: u16,
    },
    /// By a block that the chain remembers: the next epoch begins `tempo` blocks after it.
    Remembered {
        /// First block of the current epoch.
        last: BlockNumber,
        /// A moment that the subnet's owner asked for; 0 when none is pending.
        pending: BlockNumber,
    },
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
        Epochs::Remembered { last, pending } => {
            let by_tempo = last.0.saturating_add(tempo).max(committed);
            let next = if pending.0 > 0 { by_tempo.min(pending.0.max(committed)) } else { by_tempo };
            // A commit in the very block of an epoch belongs to the next one.
            let next = if next == committed { next.saturating_add(tempo) } else { next };
            next.saturating_add(terms.period.saturating_sub(1).saturating_mul(tempo))
        }
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
            epochs: Epochs::Remembered { last: BlockNumber(100), pending: BlockNumber(pending) },
            block_time_ms: 12_000,
        };
        assert_eq!(reveal_block(&terms(0), BlockNumber(100)), Ok(BlockNumber(110)));
        assert_eq!(reveal_block(&terms(0), BlockNumber(108)), Ok(BlockNumber(110)));
        assert_eq!(reveal_block(&terms(0), BlockNumber(109)), Ok(BlockNumber(120)));
        assert_eq!(reveal_block(&terms(105), BlockNumber(100)), Ok(BlockNumber(105)));
        let longer = RevealTerms { period: 3, ..terms(0) };
        assert_eq!(reveal_block(&longer, BlockNumber(100)), Ok(BlockNumber(130)));
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
