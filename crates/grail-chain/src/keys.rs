//! Where things stand in the chain's storage.
//!
//! A key is `twox128(pallet) ‖ twox128(item)` and the hashed parts of the map. [`SURFACE`] lists every item that is
//! read here with the shape it must have; [`crate::surface`] holds the list against each runtime's metadata before
//! anything is decoded, so a runtime that changed an item is refused rather than misread.

use grail_ports::chain::Uid;
use grail_protocol::words::Hotkey;
use sp_crypto_hashing::{blake2_128, twox_64, twox_128};

/// How one part of a map's key is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHasher {
    /// As it is.
    Identity,
    /// Eight bytes of xxHash, then the part.
    Twox64Concat,
    /// Sixteen bytes of BLAKE2b, then the part.
    Blake2_128Concat,
}

/// One item of storage, as this crate reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Name of the pallet in the metadata, for example `SubtensorModule`.
    pub pallet: &'static str,
    /// Name in the pallet.
    pub name: &'static str,
    /// Parts of its key: how hashed, and of which shape.
    pub key: &'static [(KeyHasher, &'static str)],
    /// Shape of its value, as [`crate::surface::shape_of`] writes it.
    pub value: &'static str,
    /// Whether nothing can be read without it. Other items are looked for before they are read.
    pub everywhere: bool,
}

const NETUID: (KeyHasher, &str) = (KeyHasher::Identity, "u16");
const UID: (KeyHasher, &str) = (KeyHasher::Identity, "u16");
const ACCOUNT: &str = "[u8;32]";

const fn item(
    pallet: &'static str,
    name: &'static str,
    key: &'static [(KeyHasher, &'static str)],
    value: &'static str,
) -> Item {
    Item { pallet, name, key, value, everywhere: true }
}

const fn subnet(name: &'static str, value: &'static str) -> Item {
    item("SubtensorModule", name, &[NETUID], value)
}

/// Hotkey of a uid.
pub const KEYS: Item = item("SubtensorModule", "Keys", &[NETUID, UID], ACCOUNT);
/// Uid of a hotkey.
pub const UIDS: Item =
    item("SubtensorModule", "Uids", &[NETUID, (KeyHasher::Blake2_128Concat, ACCOUNT)], "u16");
/// Number of uids given.
pub const SUBNETWORK_N: Item = subnet("SubnetworkN", "u16");
/// Blocks of an epoch.
pub const TEMPO: Item = subnet("Tempo", "u16");
/// Smallest version key that the subnet takes; 0 takes any.
pub const WEIGHTS_VERSION_KEY: Item = Item { everywhere: false, ..subnet("WeightsVersionKey", "u64") };
/// Blocks between two rows of one validator.
pub const WEIGHTS_RATE_LIMIT: Item = subnet("WeightsSetRateLimit", "u64");
/// Price of a registration, in RAO.
pub const BURN: Item = Item { everywhere: false, ..subnet("Burn", "u64") };
/// Whether weights are sent sealed.
pub const COMMIT_REVEAL: Item = subnet("CommitRevealWeightsEnabled", "bool");
/// Epochs until sealed weights open.
pub const REVEAL_PERIOD: Item =
    item("SubtensorModule", "RevealPeriodEpochs", &[(KeyHasher::Twox64Concat, "u16")], "u64");
/// Version of sealed weights that the chain expects.
pub const COMMIT_REVEAL_VERSION: Item =
    Item { everywhere: false, ..item("SubtensorModule", "CommitRevealWeightsVersion", &[], "u16") };
/// First block of the current epoch, where the chain remembers it.
pub const LAST_EPOCH_BLOCK: Item = Item { everywhere: false, ..subnet("LastEpochBlock", "u64") };
/// Block at which the owner asked for an epoch, where the chain has such a thing.
pub const PENDING_EPOCH: Item = Item { everywhere: false, ..subnet("PendingEpochAt", "u64") };
/// Epochs begun so far, where the chain remembers them.
pub const EPOCH_INDEX: Item = Item { everywhere: false, ..subnet("SubnetEpochIndex", "u64") };
/// Blocks since an epoch was carried out.
pub const SINCE_STEP: Item = Item { everywhere: false, ..subnet("BlocksSinceLastStep", "u64") };
/// Blocks for which a newcomer keeps its place.
pub const IMMUNITY: Item = Item { everywhere: false, ..subnet("ImmunityPeriod", "u16") };
/// Block in which a uid was given to its hotkey.
pub const REGISTERED_AT: Item =
    Item { everywhere: false, ..item("SubtensorModule", "BlockAtRegistration", &[NETUID, UID], "u64") };
/// Coldkey of a hotkey.
pub const OWNER: Item = Item {
    everywhere: false,
    ..item("SubtensorModule", "Owner", &[(KeyHasher::Blake2_128Concat, ACCOUNT)], ACCOUNT)
};
/// Block of the last weights, by uid.
pub const LAST_UPDATE: Item = subnet("LastUpdate", "Vec<u64>");
/// Whether a uid is a validator.
pub const VALIDATOR_PERMIT: Item = subnet("ValidatorPermit", "Vec<bool>");
/// Share of the miners' emission, by uid.
pub const INCENTIVE: Item = subnet("Incentive", "Vec<u16>");
/// Rows of weights: storage index and uid to (uid, weight) pairs.
pub const WEIGHTS: Item = item("SubtensorModule", "Weights", &[NETUID, UID], "Vec<(u16,u16)>");
/// Stake of a hotkey on one subnet, in RAO of its token.
pub const HOTKEY_ALPHA: Item = Item {
    everywhere: false,
    ..item("SubtensorModule", "TotalHotkeyAlpha", &[(KeyHasher::Blake2_128Concat, ACCOUNT), NETUID], "u64")
};
/// Commitments: netuid and hotkey to the stored fields.
pub const COMMITMENT_OF: Item = item(
    "Commitments",
    "CommitmentOf",
    &[NETUID, (KeyHasher::Twox64Concat, ACCOUNT)],
    "{deposit:u64,block:u32,info:{fields:Vec<Data>}}",
);
/// Moment of a block, in milliseconds.
pub const NOW: Item = item("Timestamp", "Now", &[], "u64");

/// Number of a block, in its own state.
pub const NUMBER: Item = item("System", "Number", &[], "u32");

/// `System.Events`, whose shape is left to the decoder of events.
pub const EVENTS: (&str, &str) = ("System", "Events");

/// Everything that is read.
pub const SURFACE: &[Item] = &[
    KEYS,
    UIDS,
    SUBNETWORK_N,
    TEMPO,
    WEIGHTS_VERSION_KEY,
    WEIGHTS_RATE_LIMIT,
    BURN,
    COMMIT_REVEAL,
    REVEAL_PERIOD,
    COMMIT_REVEAL_VERSION,
    LAST_EPOCH_BLOCK,
    PENDING_EPOCH,
    LAST_UPDATE,
    VALIDATOR_PERMIT,
    INCENTIVE,
    WEIGHTS,
    HOTKEY_ALPHA,
    COMMITMENT_OF,
    NOW,
    NUMBER,
    EPOCH_INDEX,
    SINCE_STEP,
    IMMUNITY,
    REGISTERED_AT,
    OWNER,
];

/// An item of later runtimes, whose key and content are read by the metadata's own description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LooseItem {
    /// Name of the pallet.
    pub pallet: &'static str,
    /// Name in the pallet.
    pub name: &'static str,
    /// Parts of its key.
    pub parts: usize,
    /// What is not possible where it is absent.
    pub without: &'static str,
}

const fn loose(name: &'static str, parts: usize, without: &'static str) -> LooseItem {
    LooseItem { pallet: "SubtensorModule", name, parts, without }
}

/// How a subnet's epochs weigh: an enumeration of `Yuma` and `Null`.
pub const CONSENSUS: LooseItem = loose("SubnetEpochConsensus", 1, "all subnets run Yuma consensus");
/// Number of mechanisms of a subnet.
pub const MECHANISMS: LooseItem = loose("MechanismCountCurrent", 1, "all subnets have one mechanism");
/// Share of a registration's price that is locked as collateral, of 65,535.
pub const COLLATERAL_SHARE: LooseItem = loose("CollateralLockShare", 1, "registrations lock no collateral");
/// Collateral by subnet, hotkey and coldkey.
pub const COLLATERAL: LooseItem = loose("MinerCollateral", 3, "miners have no collateral");

/// All of them.
pub const LOOSE: &[LooseItem] = &[CONSENSUS, MECHANISMS, COLLATERAL_SHARE, COLLATERAL];

/// Which subnet, and which of its mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct SubnetMechanism {
    /// Number of the subnet.
    pub netuid: u16,
    /// Mechanism of the subnet; 0 for almost all.
    #[serde(default)]
    pub mechanism: u8,
}

/// Most subnets that storage indices leave room for.
const INDEX_STEP: u16 = 4_096;

impl SubnetMechanism {
    /// A subnet's first mechanism.
    pub const fn subnet(netuid: u16) -> Self {
        Self { netuid, mechanism: 0 }
    }

    /// The first part of the key of weights, updates and incentives: `mechanism · 4096 + netuid`. `None` when the
    /// numbers leave no room for each other.
    pub fn index(self) -> Option<u16> {
        if self.mechanism > 0 && self.netuid >= INDEX_STEP {
            return None;
        }
        u16::from(self.mechanism).checked_mul(INDEX_STEP)?.checked_add(self.netuid)
    }
}

impl Item {
    /// What is not possible where a runtime does not have it, or has it in another form.
    pub fn without(&self) -> &'static str {
        match self.name {
            "Burn" => "the price of a registration is not known",
            "WeightsVersionKey" => "weights are sent with the version key of the settings",
            "CommitRevealWeightsVersion" => "sealed weights are sent as version 4",
            "LastEpochBlock" | "PendingEpochAt" => "epochs are counted from block 0",
            "SubnetEpochIndex" => "the number of the epoch is not known",
            "BlocksSinceLastStep" => "an epoch that is forced is not foreseen",
            "ImmunityPeriod" | "BlockAtRegistration" => "how long a newcomer is immune is not known",
            "Owner" => "the coldkey of a hotkey is not known",
            "TotalHotkeyAlpha" => "stake is known from the runtime API alone",
            _ => "this program cannot work on this chain",
        }
    }

    /// The first 32 bytes of every key of the item.
    pub fn prefix(&self) -> Vec<u8> {
        [twox_128(self.pallet.as_bytes()), twox_128(self.name.as_bytes())].concat()
    }

    /// The key of the parts given, encoded already; fewer than all make a prefix to look under.
    pub fn key(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = self.prefix();
        for ((hasher, _), part) in self.key.iter().zip(parts) {
            match hasher {
                KeyHasher::Identity => {}
                KeyHasher::Twox64Concat => key.extend(twox_64(part)),
                KeyHasher::Blake2_128Concat => key.extend(blake2_128(part)),
            }
            key.extend_from_slice(part);
        }
        key
    }

    /// The key under a subnet or storage index.
    pub fn of(&self, index: u16) -> Vec<u8> {
        self.key(&[&index.to_le_bytes()])
    }

    /// The key under a subnet or storage index and a uid.
    pub fn of_uid(&self, index: u16, uid: Uid) -> Vec<u8> {
        self.key(&[&index.to_le_bytes(), &uid.to_le_bytes()])
    }

    /// The key under a subnet and a hotkey.
    pub fn of_hotkey(&self, netuid: u16, hotkey: &Hotkey) -> Vec<u8> {
        self.key(&[&netuid.to_le_bytes(), hotkey.as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_every_substrate_chain_makes_them() {
        // The well-known keys of the timestamp and of the events.
        assert_eq!(
            hex::encode(NOW.prefix()),
            "f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb"
        );
        let weights = WEIGHTS.of_uid(81, 3);
        assert_eq!((weights.len(), &weights[32..]), (36, &[81, 0, 3, 0][..]));
        let who = Hotkey::from_bytes([7; 32]);
        let uids = UIDS.of_hotkey(2, &who);
        assert_eq!((uids.len(), &uids[32..34], &uids[50..]), (82, &[2, 0][..], &[7; 32][..]));
        let commitment = COMMITMENT_OF.of_hotkey(2, &who);
        assert_eq!((commitment.len(), &commitment[42..]), (74, &[7; 32][..]));
    }

    #[test]
    fn mechanisms_have_their_own_index() {
        assert_eq!(SubnetMechanism::subnet(81).index(), Some(81));
        assert_eq!(SubnetMechanism { netuid: 81, mechanism: 2 }.index(), Some(8_273));
        assert_eq!(SubnetMechanism { netuid: 5_000, mechanism: 1 }.index(), None);
        assert_eq!(SubnetMechanism { netuid: 0, mechanism: 16 }.index(), None);
        assert_eq!(SubnetMechanism { netuid: 4_095, mechanism: 15 }.index(), Some(u16::MAX));
    }
}
