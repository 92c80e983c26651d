//! Windows on the chain and in time: where a window begins and ends, when its file is late, which beacon rounds
//! serve it. Pure arithmetic over block numbers and the timestamps that the chain itself carries.

use crate::{
    beacon::BeaconChain,
    params::Params,
    words::{BlockNumber, UnixMillis, WindowStart},
};

impl Params {
    /// The window that a block belongs to: `floor(block / length) · length`, in blocks.
    ///
    /// Source: `WINDOW_LENGTH` of the Python network, which had 50 blocks on one day and has 30 in version 5.
    pub fn window_of(&self, block: BlockNumber) -> WindowStart {
        let length = self.window_length.max(1);
        WindowStart(block.0 / length * length)
    }

    /// The first block of a window, which gives it its number.
    pub const fn first_block(&self, window: WindowStart) -> BlockNumber {
        BlockNumber(window.0)
    }

    /// The last block of a window: its first plus length − 1. Its time sets the upload deadline.
    pub const fn last_block(&self, window: WindowStart) -> BlockNumber {
        BlockNumber(window.0.saturating_add(self.window_length.saturating_sub(1)))
    }

    /// The window after this one.
    pub const fn next_window(&self, window: WindowStart) -> WindowStart {
        WindowStart(window.0.saturating_add(self.window_length))
    }

    /// The window before this one; the first window has none.
    pub fn previous_window(&self, window: WindowStart) -> Option<WindowStart> {
        window.0.checked_sub(self.window_length).map(WindowStart)
    }

    /// Whether a number is the start of a window: a multiple of the window length.
    pub fn is_window_start(&self, window: WindowStart) -> bool {
        self.window_of(BlockNumber(window.0)) == window
    }

    /// The latest moment at which a window file may have been stored: the time of the window's last block, in
    /// milliseconds, and the grace. A file stored at this very moment is in time.
    pub const fn upload_deadline(&self, last_block_time: UnixMillis) -> UnixMillis {
        last_block_time.plus(self.upload_grace_ms)
    }

    /// The round that seeds a window: the first after the time of its first block.
    pub const fn generation_round(&self, chain: &BeaconChain, first_block_time: UnixMillis) -> u64 {
        chain.round_after(first_block_time)
    }

    /// The round that decides what a validator samples: the first after upload deadline and challenge delay.
    pub const fn challenge_round(&self, chain: &BeaconChain, last_block_time: UnixMillis) -> u64 {
        chain.round_after(self.upload_deadline(last_block_time).plus(self.challenge_delay_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{beacon::quicknet, params::MAIN};

    #[test]
    fn blocks_fall_into_windows() {
        assert_eq!(MAIN.window_of(BlockNumber(0)), WindowStart(0));
        assert_eq!(MAIN.window_of(BlockNumber(49)), WindowStart(0));
        assert_eq!(MAIN.window_of(BlockNumber(71_999)), WindowStart(71_950));
        assert_eq!(MAIN.last_block(WindowStart(71_950)), BlockNumber(71_999));
        assert_eq!(MAIN.previous_window(WindowStart(0)), None);
        assert!(!MAIN.is_window_start(WindowStart(51)));
    }

    #[test]
    fn the_challenge_is_unknown_until_the_file_is_in() {
        let chain = quicknet();
        let last_block = UnixMillis(1_763_000_000_000);
        let round = MAIN.challenge_round(&chain, last_block);
        let published = chain.time_of(round);
        assert!(published > MAIN.upload_deadline(last_block).plus(MAIN.challenge_delay_ms));
        assert!(published.since(last_block) <= 66_000);
    }
}
