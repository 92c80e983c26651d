//! Doubts of the court, and problems of audits.

use super::Row;

pub(super) const DOUBTS: &[Row] = &[
    (
        "fault",
        "A validator could not do its work on this rollout; it counts neither for nor against anybody.",
        "Its store, chain, tokenizer, model or disk failed.",
        "Nothing to do for a miner; the validator finds the reason in its report and log.",
    ),
    (
        "inconclusive",
        "One measurement lies between what honest machines differ by and what proves a lie.",
        "Chance, on rare tokens; many of them point to a lower precision than the profile's.",
        "Nothing, while it is rare; else compare arithmetic and weights with `grail window check FILE`.",
    ),
    (
        "unlikely",
        "So many draws were lost that honest drift explains it less than once in a million rollouts.",
        "A lower precision than the profile's, or text chosen within the tolerance.",
        "Answer in the profile's arithmetic; evidence of many windows leaves a miner out.",
    ),
    (
        "not-proven",
        "No model was asked: a verification on paper.",
        "`--paper`, or a validator that was stopped before it came here.",
        "Run `grail window check FILE` without --paper for the whole verdict.",
    ),
];

pub(super) const AUDIT: &[Row] = &[
    (
        "malformed",
        "The bundle cannot be read.",
        "A file that is cut off, damaged, or no bundle.",
        "Fetch it again.",
    ),
    (
        "too-large",
        "A part of the bundle is larger than is read.",
        "No program of this project writes such.",
        "Do not trust it.",
    ),
    (
        "unknown-version",
        "The bundle has a version that this program does not read.",
        "A newer validator wrote it.",
        "Install the newest release.",
    ),
    (
        "not-canonical",
        "The bundle's head is written with other spaces or orders than the canonical ones.",
        "It was edited or rewritten by another program.",
        "Ask its validator for the original.",
    ),
    (
        "bad-signature",
        "The validator that the bundle names did not sign it.",
        "It was changed after it was signed, or made by somebody else.",
        "Do not trust it.",
    ),
    (
        "unsigned",
        "The bundle carries no signature.",
        "It was taken before its validator finished it.",
        "Ask its validator for the signed one.",
    ),
    (
        "signer",
        "The bundle is signed by another validator than you asked for.",
        "A wrong file, or a wrong --validator.",
        "Compare the hotkeys.",
    ),
    (
        "manifest",
        "The manifest in the bundle is not what the verdict says.",
        "A validator with another trainer or checkpoint.",
        "Do not trust the verdict; ask its validator.",
    ),
    (
        "context",
        "The window in the bundle does not follow from its blocks and parameters.",
        "Another network, or made up.",
        "Do not trust the verdict.",
    ),
    (
        "beacon",
        "The beacon round in the bundle does not verify, or is not the window's.",
        "Another beacon, or made up.",
        "Do not trust the verdict.",
    ),
    (
        "challenge",
        "The challenge that picked the groups is not what follows from the chain.",
        "The validator chose what to look at.",
        "Do not trust the verdict.",
    ),
    (
        "profile",
        "The tolerances in the bundle are not this program's.",
        "Another release, or tolerances of one's own.",
        "Audit with the validator's release; if it stays, do not trust the verdict.",
    ),
    (
        "file",
        "The miner's file in the bundle is not what the corridor makes of it.",
        "Other bytes than were judged.",
        "Do not trust the verdict.",
    ),
    (
        "report",
        "The report in the bundle does not add up, or accepts beyond the tolerances.",
        "A changed validator, or another release.",
        "Do not trust the verdict.",
    ),
    (
        "sample",
        "The proven groups are not those that the challenge picks.",
        "The validator chose what to look at.",
        "Do not trust the verdict.",
    ),
    (
        "verdict",
        "The court says something else than the bundle.",
        "A changed validator, another model or device.",
        "Audit again with `grail-validator audit --model`; if it stays, do not trust the verdict.",
    ),
    (
        "model",
        "The model at hand is not the bundle's.",
        "Another checkpoint in --model.",
        "Fetch the checkpoint that the bundle names.",
    ),
];
