//! Whether mining pays, as far as the chain says: a miner that works for nothing should hear of it from its own log.

use grail_ports::chain::ChainView;
use grail_protocol::words::Hotkey;

/// Windows without weight after which a miner is warned for the first time.
const FIRST_WARNING: u32 = 3;

/// Counts windows that were mined while the chain gave no weight.
#[derive(Debug, Default)]
pub(super) struct Worth {
    unpaid: u32,
}

impl Worth {
    /// After a window was mined: how many there were in a row without weight, where it is time to say so, which is after
    /// three of them, then each time that their number has doubled.
    ///
    /// A chain that does not answer now counts neither way.
    pub(super) async fn after_window(&mut self, chain: &dyn ChainView, hotkey: &Hotkey) -> Option<u32> {
        let metagraph = match chain.metagraph().await {
            Ok(metagraph) => metagraph,
            Err(fault) => {
                tracing::debug!(target: "grail::mine", fault = %fault.chain(), "could not see whether mining pays");
                return None;
            }
        };
        let incentive = metagraph.find(hotkey).map_or(0, |neuron| neuron.incentive);
        self.learn(incentive)
    }

    fn learn(&mut self, incentive: u16) -> Option<u32> {
        if incentive > 0 {
            self.unpaid = 0;
            return None;
        }
        self.unpaid = self.unpaid.saturating_add(1);
        let doublings = self.unpaid / FIRST_WARNING;
        (self.unpaid.is_multiple_of(FIRST_WARNING) && doublings.is_power_of_two()).then_some(self.unpaid)
    }
}

/// The warning.
pub(super) fn warn(windows: u32, hotkey: &Hotkey) {
    tracing::warn!(
        target: "grail::mine", event = "no-weight", windows, %hotkey,
        "{windows} windows were mined and the chain gives {hotkey} no weight; weights show up to an epoch after verdicts. \
         `grail why {hotkey}` names the first thing that went wrong"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_protocol::words::UnixMillis;
    use grail_testkit::doors::MemChain;

    #[test]
    fn the_third_window_without_weight_warns_and_then_every_doubling() {
        let mut worth = Worth::default();
        let warned: Vec<u32> = (0..30).filter_map(|_| worth.learn(0)).collect();
        assert_eq!(warned, [3, 6, 12, 24]);
        assert_eq!(worth.learn(7), None);
        assert_eq!([0, 0, 0].map(|incentive| worth.learn(incentive)), [None, None, Some(3)]);
    }

    #[tokio::test]
    async fn the_chain_is_asked_and_a_chain_that_is_away_counts_neither_way() {
        let chain = MemChain::by_hand("worth", UnixMillis(0), 1_000);
        let hotkey = Hotkey::from_bytes([1; 32]);
        chain.register(hotkey, 0.0, false);
        let mut worth = Worth::default();
        for _ in 0..2 {
            assert_eq!(worth.after_window(&chain, &hotkey).await, None);
        }
        chain.trouble().fail(1);
        assert_eq!(worth.after_window(&chain, &hotkey).await, None);
        assert_eq!(worth.after_window(&chain, &hotkey).await, Some(3));
    }
}
