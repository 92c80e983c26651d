//! Why the chain says no, and what to do about it: one table.
//!
//! A refusal reaches us in one of two ways. The pool checks a transaction before it takes it and answers with a
//! number; a transaction that stands in a block and failed names a pallet and an error. Both are looked up here.
//! Nothing is decided by words in a message.

use parity_scale_codec::Decode as _;
use std::fmt;

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "retry")]
pub enum RetryClass {
    /// After some blocks the same request may succeed.
    Later {
        /// How many blocks to wait.
        after_blocks: u32,
    },
    /// Not before somebody changes something.
    Never,
    /// At once, over another connection or with a fresh look at the chain.
    Reconnect,
}

/// One kind of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ErrorClass {
    /// The chain's name for it.
    pub name: &'static str,
    /// When to try again.
    #[serde(flatten)]
    pub again: RetryClass,
    /// What happened, in one sentence.
    pub explanation: &'static str,
    /// What to do, in one sentence.
    pub remedy: &'static str,
}

const fn class(
    name: &'static str,
    again: RetryClass,
    explanation: &'static str,
    remedy: &'static str,
) -> ErrorClass {
    ErrorClass { name, again, explanation, remedy }
}

const fn later(after_blocks: u32) -> RetryClass {
    RetryClass::Later { after_blocks }
}

/// The rate limit on weights; answered as [`grail_ports::chain::Inclusion::TooSoon`] rather than as a fault.
pub const TOO_FAST: &str = "SettingWeightsTooFast";

/// Errors of pallets, by the chain's names. One name means the same in every pallet that has it.
pub const MODULE_ERRORS: &[ErrorClass] = &[
    class(
        TOO_FAST,
        later(1),
        "this hotkey set weights (or registered) too few blocks ago",
        "wait for the block that `grail chain weights get` names as the next allowed one",
    ),
    class(
        "CommittingWeightsTooFast",
        later(1),
        "this hotkey committed weights too few blocks ago",
        "wait for the block that `grail chain weights get` names as the next allowed one",
    ),
    class(
        "CommitRevealEnabled",
        RetryClass::Reconnect,
        "the subnet takes sealed weights only; commit-reveal was switched on in the meantime",
        "send again; sealed weights are used as soon as the setting is read",
    ),
    class(
        "CommitRevealDisabled",
        RetryClass::Reconnect,
        "the subnet takes open weights only; commit-reveal was switched off in the meantime",
        "send again; open weights are used as soon as the setting is read",
    ),
    class(
        "IncorrectCommitRevealVersion",
        RetryClass::Never,
        "the chain expects another version of sealed weights than this build writes",
        "update this program",
    ),
    class(
        "CommitPayloadTooLarge",
        RetryClass::Never,
        "the sealed weights are longer than the subnet's consensus takes: 5,000 bytes under Yuma, 32 KiB for all \
         mechanisms under Null",
        "name fewer participants",
    ),
    class(
        "CommitQueueFull",
        later(50),
        "the subnet's queue of sealed weights is full (64 commits, 64 KiB, under Null consensus)",
        "wait until the next epoch opens some of them",
    ),
    class(
        "InvalidRevealRound",
        RetryClass::Reconnect,
        "the drand round of the sealed weights lies in the past",
        "send again; check this machine's clock and that the node is in sync",
    ),
    class(
        "TimelockRevealFailedNotAllowed",
        RetryClass::Never,
        "the commitment has a field that only the runtime may write",
        "report this; GRAIL writes one field of bytes",
    ),
    class(
        "TooManyUnrevealedCommits",
        later(50),
        "too many of this hotkey's sealed weights still wait to be opened",
        "wait until the next epoch opens some of them",
    ),
    class(
        "IncorrectWeightVersionKey",
        RetryClass::Never,
        "the subnet asks for a newer version key than was sent",
        "update this program; the subnet's owner raises the key when validators must",
    ),
    class(
        "NeuronNoValidatorPermit",
        later(360),
        "the hotkey has no validator permit on this subnet",
        "add stake until the hotkey is among the subnet's validators; permits are given at the end of an epoch",
    ),
    class(
        "NotEnoughStakeToSetWeights",
        later(360),
        "the hotkey has less stake than the chain asks of validators",
        "add stake to the hotkey with `btcli stake add --hotkey SS58 --netuid N --amount TAO` (package bittensor 11)",
    ),
    class(
        "HotKeyNotRegisteredInSubNet",
        RetryClass::Never,
        "the hotkey is not registered on this subnet",
        "register it with `btcli subnets register --netuid N` (package bittensor 11); `grail chain register-cost` shows the price",
    ),
    class(
        "HotKeyNotRegisteredInNetwork",
        RetryClass::Never,
        "the hotkey is not registered on any subnet",
        "register it with `btcli subnets register --netuid N` (package bittensor 11); `grail chain register-cost` shows the price",
    ),
    class(
        "AccountNotAllowedCommit",
        RetryClass::Never,
        "only hotkeys that are registered on the subnet may commit",
        "register it with `btcli subnets register --netuid N` (package bittensor 11); was the right netuid given?",
    ),
    class(
        "TooManyFieldsInCommitmentInfo",
        RetryClass::Never,
        "the commitment has more fields than the chain takes",
        "report this; GRAIL writes one field",
    ),
    class(
        "SpaceLimitExceeded",
        later(360),
        "this hotkey wrote as many commitment bytes in this epoch as the chain allows",
        "wait for the next epoch; a commitment of 128 characters fits about 24 times into one",
    ),
    class(
        "UidsLengthExceedUidsInSubNet",
        RetryClass::Never,
        "the row names more participants than the subnet has",
        "read the metagraph again and build the row from it",
    ),
    class("DuplicateUids", RetryClass::Never, "the row names a participant twice", "name each uid once"),
    class(
        "UidVecContainInvalidOne",
        RetryClass::Never,
        "the row names a uid that nobody has",
        "read the metagraph again and build the row from it",
    ),
    class(
        "WeightVecNotEqualSize",
        RetryClass::Never,
        "uids and weights differ in number",
        "report this; both are made from one row",
    ),
    class(
        "WeightVecLengthIsLow",
        RetryClass::Never,
        "the row names fewer participants than the subnet asks for",
        "name more participants; the subnet's minimum is its hyperparameter min_allowed_weights",
    ),
    class(
        "MaxWeightExceeded",
        RetryClass::Never,
        "one weight is a larger share of the row than the subnet allows",
        "spread the weights; the subnet's maximum is its hyperparameter max_weights_limit",
    ),
    class(
        "SubnetNotExists",
        RetryClass::Never,
        "there is no subnet of this number",
        "check netuid and network",
    ),
    class(
        "SubNetworkDoesNotExist",
        RetryClass::Never,
        "there is no subnet of this number",
        "check netuid and network",
    ),
    class(
        "MechanismDoesNotExist",
        RetryClass::Never,
        "the subnet has no mechanism of this number",
        "check the mechanism; most subnets have only mechanism 0",
    ),
    class(
        "HotKeyAlreadyRegisteredInSubNet",
        RetryClass::Never,
        "the hotkey is registered already",
        "nothing is to be done",
    ),
    class(
        "TooManyRegistrationsThisBlock",
        later(1),
        "other registrations filled this block",
        "try again in the next block",
    ),
    class(
        "TooManyRegistrationsThisInterval",
        later(100),
        "other registrations filled this interval",
        "try again in the next interval",
    ),
    class(
        "NotEnoughBalanceToStake",
        RetryClass::Never,
        "the coldkey has less than the price of the registration",
        "move tokens to the coldkey; `grail chain register-cost` shows the price",
    ),
    class(
        "NonAssociatedColdKey",
        RetryClass::Never,
        "the hotkey belongs to another coldkey",
        "use the coldkey that registered it",
    ),
];

/// Numbers with which subtensor's pool refuses.
const CUSTOM_CODES: &[(u8, ErrorClass)] = &[
    (
        1,
        class(
            "StakeAmountTooLow",
            later(360),
            "the hotkey has less stake than the chain asks of those who set weights",
            "add stake to the hotkey with `btcli stake add --hotkey SS58 --netuid N --amount TAO` (package bittensor 11)",
        ),
    ),
    (
        2,
        class(
            "BalanceTooLow",
            RetryClass::Never,
            "the account's balance is too low",
            "move tokens to the account",
        ),
    ),
    (
        3,
        class(
            "SubnetNotExists",
            RetryClass::Never,
            "there is no subnet of this number",
            "check netuid and network",
        ),
    ),
    (
        4,
        class(
            "HotkeyAccountDoesntExist",
            RetryClass::Never,
            "the chain does not know this hotkey",
            "register it with `btcli subnets register --netuid N` (package bittensor 11)",
        ),
    ),
    (
        6,
        class(
            "RateLimitExceeded",
            later(1),
            "this hotkey did the same too few blocks ago",
            "wait for the block that `grail chain weights get` names as the next allowed one",
        ),
    ),
    (
        10,
        class(
            "HotKeyNotRegisteredInNetwork",
            RetryClass::Never,
            "the hotkey is not registered on this subnet",
            "register it with `btcli subnets register --netuid N` (package bittensor 11); `grail chain register-cost` shows the price",
        ),
    ),
    (
        15,
        class(
            "InvalidRevealRound",
            RetryClass::Reconnect,
            "the drand round of the sealed weights lies in the past",
            "send again; check this machine's clock and that the node is in sync",
        ),
    ),
    (
        16,
        class(
            "CommitNotFound",
            RetryClass::Never,
            "the chain knows no sealed weights that this would open",
            "nothing is to be done; sealed weights open by themselves",
        ),
    ),
    (
        17,
        class(
            "CommitBlockNotInRevealRange",
            RetryClass::Never,
            "it is not the epoch in which these sealed weights open",
            "nothing is to be done; sealed weights open by themselves",
        ),
    ),
    (
        18,
        class(
            "InputLengthsUnequal",
            RetryClass::Never,
            "uids and weights differ in number",
            "report this; both are made from one row",
        ),
    ),
    (
        19,
        class(
            "UidNotFound",
            RetryClass::Never,
            "the hotkey has no uid on this subnet",
            "register it with `btcli subnets register --netuid N` (package bittensor 11)",
        ),
    ),
];

/// What the pool's own numbers and reasons mean, for people who look one up.
pub fn pool_errors() -> impl Iterator<Item = &'static ErrorClass> {
    CUSTOM_CODES.iter().map(|(_, class)| class).chain(STANDARD)
}

/// Substrate's own reasons to refuse, in the order of their codes.
const STANDARD: &[ErrorClass] = &[
    class("Call", RetryClass::Never, "the chain does not expect this call", "report this"),
    class("Payment", RetryClass::Never, "the account cannot pay the fee", "move a few tokens to the account"),
    class(
        "Future",
        RetryClass::Reconnect,
        "the transaction's number is ahead of the account's",
        "send again; is another program using this hotkey?",
    ),
    class(
        "Stale",
        RetryClass::Reconnect,
        "the transaction's number was used already",
        "send again; is another program using this hotkey?",
    ),
    class(
        "BadProof",
        RetryClass::Reconnect,
        "the signature does not fit what the chain expects",
        "send again; if it stays, the node serves another network or the runtime was upgraded",
    ),
    class(
        "AncientBirthBlock",
        RetryClass::Reconnect,
        "the transaction's time ran out before it was included",
        "send again; check that the node is in sync",
    ),
    class("ExhaustsResources", later(1), "the block is full", "try again in the next block"),
];

const UNKNOWN_POOL: ErrorClass = class(
    "unknown to this build",
    later(20),
    "the node refused the transaction for a reason that this build does not know",
    "update this program; if it stays, report the code",
);
const UNKNOWN_MODULE: ErrorClass = class(
    "unknown to this build",
    later(20),
    "the chain refused the call for a reason that this build does not know",
    "update this program; if it stays, report the name",
);
const DISPATCH: ErrorClass = class(
    "DispatchError",
    later(20),
    "the call failed in the block for a reason of the runtime itself",
    "try again later; if it stays, report the name",
);
const IN_POOL: ErrorClass =
    class("AlreadyInPool", later(1), "the node holds this transaction already", "wait for it to be included");
const POOL_FULL: ErrorClass =
    class("PoolFull", later(1), "the node's pool is full", "try again in the next block");
const PRIORITY: ErrorClass = class(
    "PriorityTooLow",
    later(1),
    "another transaction of this hotkey waits under the same number",
    "wait for it; is another program using this hotkey?",
);
const BANNED: ErrorClass = class(
    "TemporarilyBanned",
    later(150),
    "the node will not take this transaction for a while, since it failed before",
    "wait, or use another node",
);

/// A refusal with its class and the chain's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainRefusal {
    /// What it means, whether to try again, and what to do.
    pub class: ErrorClass,
    /// Where it came from: `SubtensorModule.DuplicateUids`, `pool code 1`.
    pub origin: String,
}

impl fmt::Display for ChainRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}); {}", self.class.explanation, self.origin, self.class.remedy)
    }
}

impl std::error::Error for ChainRefusal {}

impl ChainRefusal {
    /// Whether it says that weights came too early.
    pub fn is_too_soon(&self) -> bool {
        matches!(self.class.name, TOO_FAST | "CommittingWeightsTooFast" | "RateLimitExceeded")
    }

    /// Whether the node holds the very transaction.
    pub(crate) fn is_known_to_pool(&self) -> bool {
        self.class == IN_POOL
    }
}

/// What an error of a pallet means.
pub fn of_module(pallet: &str, name: &str) -> ChainRefusal {
    let known = MODULE_ERRORS.iter().find(|class| class.name == name);
    ChainRefusal { class: *known.unwrap_or(&UNKNOWN_MODULE), origin: format!("{pallet}.{name}") }
}

/// What a failure of the runtime outside any pallet means.
pub fn of_dispatch(words: String) -> ChainRefusal {
    ChainRefusal { class: DISPATCH, origin: words }
}

/// What the pool's own check said: `Ok(())` for a transaction that it would take.
///
/// `answer` is the SCALE bytes that `TaggedTransactionQueue_validate_transaction` returns: a first byte of 0 for a
/// valid one, else 1, then whether the reason is a refusal (0) or ignorance (1), then the reason.
pub fn of_validation(answer: &[u8]) -> Result<(), ChainRefusal> {
    let input = &mut &answer[..];
    let mut byte = || u8::decode(input).ok();
    match (byte(), byte(), byte()) {
        (Some(0), ..) => Ok(()),
        (Some(1), Some(0), Some(7)) => Err(of_custom(byte().unwrap_or(0))),
        (Some(1), Some(0), Some(code)) => {
            let known = STANDARD.get(usize::from(code));
            let class = *known.unwrap_or(&UNKNOWN_POOL);
            Err(ChainRefusal { class, origin: format!("pool reason {code}, {}", class.name) })
        }
        _ => Err(ChainRefusal {
            class: UNKNOWN_POOL,
            origin: format!("pool answer 0x{}", hex::encode(answer)),
        }),
    }
}

/// What one of subtensor's own numbers means.
pub fn of_custom(code: u8) -> ChainRefusal {
    let known = CUSTOM_CODES.iter().find(|(known, _)| *known == code);
    let class = known.map_or(UNKNOWN_POOL, |(_, class)| *class);
    ChainRefusal { class, origin: format!("pool code {code}, {}", class.name) }
}

/// What the error number of `author_submitExtrinsic` means; `None` for numbers that are not the pool's.
///
/// The numbers are those of Substrate's author module. 1010, a transaction that does not hold, is met after the
/// check of [`of_validation`] only when something changed in between, so a second look decides.
pub fn of_submission(code: i32) -> Option<ChainRefusal> {
    let class = match code {
        1010 => class(
            "InvalidTransaction",
            RetryClass::Reconnect,
            "the node's view of the chain moved while the transaction was sent",
            "send again",
        ),
        1011 => UNKNOWN_POOL,
        1012 => BANNED,
        1013 => IN_POOL,
        1014 => PRIORITY,
        1016 => POOL_FULL,
        _ => return None,
    };
    Some(ChainRefusal { class, origin: format!("node error {code}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_answers_of_the_pool() {
        assert_eq!(of_validation(&[0, 0, 0]), Ok(()));
        let poor = of_validation(&[1, 0, 7, 1]).unwrap_err();
        assert_eq!((poor.class.name, poor.class.again), ("StakeAmountTooLow", later(360)));
        assert_eq!(of_validation(&[1, 0, 7, 10]).unwrap_err().class.name, "HotKeyNotRegisteredInNetwork");
        assert_eq!(of_validation(&[1, 0, 3]).unwrap_err().class.again, RetryClass::Reconnect);
        assert_eq!(of_validation(&[1, 0, 1]).unwrap_err().class.name, "Payment");
        for odd in [&[][..], &[1], &[1, 0], &[1, 1, 0], &[9, 9, 9], &[1, 0, 99], &[1, 0, 7, 250]] {
            let refusal = of_validation(odd).unwrap_err();
            assert_eq!(refusal.class.again, later(20), "{odd:?}: {refusal}");
        }
    }

    #[test]
    fn a_refusal_says_what_happened_and_what_to_do() {
        let refusal = of_module("SubtensorModule", "NeuronNoValidatorPermit");
        assert_eq!(
            refusal.to_string(),
            "the hotkey has no validator permit on this subnet (SubtensorModule.NeuronNoValidatorPermit); add \
             stake until the hotkey is among the subnet's validators; permits are given at the end of an epoch"
        );
        let strange = of_module("SubtensorModule", "Surprise");
        assert!(strange.to_string().contains("SubtensorModule.Surprise"), "{strange}");
    }

    #[test]
    fn rate_limits_are_told_from_refusals() {
        assert!(of_module("SubtensorModule", TOO_FAST).is_too_soon());
        assert!(of_custom(6).is_too_soon());
        assert!(!of_custom(1).is_too_soon());
        assert!(of_submission(1013).is_some_and(|refusal| refusal.is_known_to_pool()));
        assert_eq!(of_submission(-32_601), None);
    }

    #[test]
    fn names_are_listed_once() {
        let names: std::collections::BTreeSet<_> = MODULE_ERRORS.iter().map(|class| class.name).collect();
        assert_eq!(names.len(), MODULE_ERRORS.len());
    }
}
