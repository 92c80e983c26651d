use super::{
    Audited, Flaw,
    compare::{differ, is_trouble, word},
};
use crate::{
    MinerReport, Rejection, Verdict,
    corridor::{Sealed, arrive, oversize},
};
use bytes::Bytes;
use grail_artifact::{
    bundle::{Bundle, BundleHead, Challenge, Encoding, profile_text},
    checkpoint::{Trust, verify_manifest},
    limits::Limits,
    manifest::Manifest,
    window::WindowCodec,
};
use grail_ports::shelf::{Fetched, ObjectMeta};
use grail_protocol::{
    beacon::{Beacon, BeaconChain, WindowRandomness, quicknet},
    params::Params,
    policy::Seeding,
    seed::{WindowContext, challenge_stream},
    words::UnixMillis,
};

/// Everything that can be said of a bundle without its model. [`Bundle::read`] has seen bytes and signature.
///
/// `codecs` are the encodings that can be read. Errors: the first [`Flaw`], in the order of their declaration but for
/// [`Flaw::Model`].
pub fn audit_on_paper(bundle: Bundle, codecs: &[&dyn WindowCodec], limits: &Limits) -> Result<Audited, Flaw> {
    let head = &bundle.head;
    let params = params_of(head)?;
    let mut on_trust = vec![
        format!("the hash and time of block {}, the window's first", head.first_block.number),
        format!("the time of block {}, its last", head.last_block.number),
    ];
    if params.seeding != Seeding::Unsaid {
        on_trust.push(format!("that the network states its seeding ({:?})", params.seeding));
    }
    let manifest = read_manifest(&bundle.manifest, &params, &mut on_trust)?;
    let context = derive(head, params, &manifest)?;
    check_beacon(head, &params, &mut on_trust)?;
    let deadline = params.upload_deadline(head.last_block.time);
    check_challenge(head, &params, deadline, &mut on_trust)?;
    check_profile(&bundle.profile, &context)?;
    let report: MinerReport = serde_json::from_slice(&bundle.verdict)
        .map_err(|error| Flaw::Report { detail: format!("it cannot be read: {error}") })?;
    check_report(&report, head, &context)?;
    let mut audited = Audited {
        manifest,
        hotkey: head.miner,
        validator: head.validator,
        report,
        deadline,
        sampling: head.sampling.into(),
        challenge: head.challenge.randomness(),
        model: head.model,
        fetched: None,
        on_trust,
        context,
    };
    match &head.file {
        None if !bundle.file.is_empty() => {
            return Err(Flaw::File { detail: "there are bytes of a file that is said to be absent".into() });
        }
        None => match &audited.report.file {
            verdict if is_trouble(verdict) => {
                audited.on_trust.push("that the file could not be fetched".into());
            }
            verdict => {
                return Err(Flaw::File { detail: format!("it is absent and {}", word(verdict)) });
            }
        },
        Some(fact) => {
            audited.on_trust.push(format!("that the store took the file at {}", fact.stored_at));
            let meta = ObjectMeta { size: fact.size, stored_at: fact.stored_at, tag: None };
            let found = if fact.carried {
                if fact.size != bundle.file.len() as u64 {
                    let detail = format!("it has {} bytes, the head says {}", bundle.file.len(), fact.size);
                    return Err(Flaw::File { detail });
                }
                let fetched = Fetched { body: Bytes::from(bundle.file), meta };
                audited.fetched = Some(fetched.clone());
                seal(fetched, &audited, codec_for(fact.encoding, codecs)?, limits)
            } else if bundle.file.is_empty() && fact.size > limits.file_bytes {
                Err((oversize(&meta, limits), (0, 0)))
            } else {
                return Err(Flaw::File { detail: format!("its {} bytes are not carried", fact.size) });
            };
            check_against_file(&audited, found)?;
        }
    }
    Ok(audited)
}

fn context_flaw(detail: impl Into<String>) -> Flaw {
    Flaw::Context { detail: detail.into() }
}

fn params_of(head: &BundleHead) -> Result<Params, Flaw> {
    // A stranger's word in a message is cut.
    let name: String = head.params.chars().take(32).collect();
    let known = Params::by_name(&head.params)
        .ok_or_else(|| context_flaw(format!("this program knows no parameters {name:?}")))?;
    // What seeds its windows a network may state for itself; the digest says which of the three it is.
    let params = [Seeding::Unsaid, Seeding::Beacon, Seeding::BlockHash]
        .map(|seeding| Params { seeding, ..known })
        .into_iter()
        .find(|params| params.digest() == head.params_digest.0)
        .ok_or_else(|| context_flaw(format!("parameters {name} have other values here")))?;
    if !params.is_window_start(head.window) {
        return Err(context_flaw(format!("{} is not the first block of a window", head.window)));
    }
    let wanted = [params.first_block(head.window), params.last_block(head.window)];
    let told = [head.first_block.number, head.last_block.number];
    if told != wanted {
        return Err(context_flaw(format!(
            "the window runs from block {} to {}, told are {} and {}",
            wanted[0], wanted[1], told[0], told[1]
        )));
    }
    if head.last_block.time < head.first_block.time {
        return Err(context_flaw("the last block is older than the first"));
    }
    Ok(params)
}

fn read_manifest(bytes: &[u8], params: &Params, on_trust: &mut Vec<String>) -> Result<Manifest, Flaw> {
    let flaw = |error: grail_artifact::manifest::ManifestError| Flaw::Manifest { detail: error.to_string() };
    let manifest = Manifest::from_json(bytes, params).map_err(flaw)?;
    match &manifest.publication {
        Some(publication) => {
            let trainer = publication.trainer;
            verify_manifest(bytes, params, Trust::Trainer(&trainer), None).map_err(flaw)?;
            on_trust.push(format!(
                "that {trainer} is the network's trainer, and that this checkpoint was the newest"
            ));
        }
        None => on_trust
            .push("that this is the model which the network started with, and that none came later".into()),
    }
    Ok(manifest)
}

fn derive(head: &BundleHead, params: Params, manifest: &Manifest) -> Result<WindowContext, Flaw> {
    if manifest.publication.is_some() && manifest.window >= head.window {
        return Err(context_flaw(format!(
            "a checkpoint of window {} does not answer window {}",
            manifest.window, head.window
        )));
    }
    let env = manifest
        .environment(head.window, &params)
        .cloned()
        .ok_or_else(|| context_flaw("the manifest names no environment"))?;
    Ok(WindowContext {
        network: head.network.clone(),
        params,
        window: head.window,
        block_hash: head.first_block.hash,
        randomness: head.randomness.clone(),
        checkpoint: manifest.id(),
        env,
        policy: manifest.policy,
        numeric: manifest.numeric,
        max_new_tokens: manifest.max_new_tokens.min(params.max_new_tokens),
    })
}

/// What is wrong with a round of this chain.
fn round_flaw(chain: &BeaconChain, beacon: &Beacon, round: u64) -> Option<String> {
    if beacon.round != round {
        return Some(format!("round {} was taken, round {round} follows from the block", beacon.round));
    }
    chain.verify(beacon).err().map(|error| error.to_string())
}

fn check_beacon(head: &BundleHead, params: &Params, on_trust: &mut Vec<String>) -> Result<(), Flaw> {
    let flaw = |detail: String| Err(Flaw::Beacon { detail });
    match (&head.randomness, &head.beacon) {
        (WindowRandomness::Beacon(beacon), Some(chain)) => {
            if *chain != quicknet() {
                if !params.accepts_block_hash_only {
                    return flaw(format!("network {} rests on quicknet, not on another chain", head.network));
                }
                on_trust.push("the group key of the beacon's chain, which is not quicknet's".into());
            }
            let round = params.generation_round(chain, head.first_block.time);
            round_flaw(chain, beacon, round).map_or(Ok(()), flaw)
        }
        (WindowRandomness::BlockHashOnly, None) if params.accepts_block_hash_only => Ok(()),
        (WindowRandomness::BlockHashOnly, None) => {
            flaw(format!("network {} accepts no window without one", head.network))
        }
        (WindowRandomness::Beacon(_), None) => flaw("its chain is not named".into()),
        (WindowRandomness::BlockHashOnly, Some(_)) => flaw("there is a chain and no round of it".into()),
    }
}

fn check_challenge(
    head: &BundleHead,
    params: &Params,
    deadline: UnixMillis,
    on_trust: &mut Vec<String>,
) -> Result<(), Flaw> {
    let flaw = |detail: String| Err(Flaw::Challenge { detail });
    match (&head.challenge, &head.beacon) {
        (Challenge::Beacon(beacon), Some(chain)) => {
            let round = params.challenge_round(chain, head.last_block.time);
            round_flaw(chain, beacon, round).map_or(Ok(()), flaw)
        }
        (Challenge::Block(block), None) => {
            let moment = deadline.plus(params.challenge_delay_ms);
            if block.number <= head.last_block.number || block.time <= moment {
                return flaw(format!("block {} at {} is not after {moment}", block.number, block.time));
            }
            on_trust.push(format!(
                "the hash of block {}, and that it is the first after the delay",
                block.number
            ));
            Ok(())
        }
        (Challenge::Beacon(_), None) => flaw("it is a round, and there is no beacon".into()),
        (Challenge::Block(_), Some(_)) => flaw("it is a block, although there is a beacon".into()),
    }
}

fn check_profile(text: &str, context: &WindowContext) -> Result<(), Flaw> {
    let ours = profile_text(context.numeric);
    if text == ours {
        return Ok(());
    }
    let differs = ours.lines().zip(text.lines()).find(|(ours, told)| ours != told);
    let cut = |line: &str| line.chars().take(80).collect::<String>();
    let detail = differs.map_or_else(
        || "it has another number of lines".to_owned(),
        |(ours, told)| format!("{:?} here, {:?} in the bundle", cut(ours), cut(told)),
    );
    Err(Flaw::Profile { detail })
}

fn check_report(report: &MinerReport, head: &BundleHead, context: &WindowContext) -> Result<(), Flaw> {
    let told = (report.hotkey, report.window, report.checkpoint, &report.env);
    if told != (head.miner, head.window, context.checkpoint, &context.env) {
        let detail = format!(
            "it is about {} in window {}, checkpoint {}, environment {}",
            report.hotkey, report.window, report.checkpoint, report.env
        );
        return Err(Flaw::Report { detail });
    }
    report.contradiction(context.numeric).map_or(Ok(()), |detail| Err(Flaw::Report { detail }))
}

fn codec_for<'a>(encoding: Encoding, codecs: &[&'a dyn WindowCodec]) -> Result<&'a dyn WindowCodec, Flaw> {
    let found = codecs.iter().copied().find(|codec| Encoding::from(codec.encoding()) == encoding);
    found.ok_or_else(|| Flaw::File { detail: format!("this program cannot read its encoding, {encoding:?}") })
}

type Claimed = (u32, u64);

fn seal(
    fetched: Fetched,
    audited: &Audited,
    codec: &dyn WindowCodec,
    limits: &Limits,
) -> Result<Sealed, (Rejection, Claimed)> {
    let mut claimed = (0, 0);
    let walk = || {
        let decoded = arrive(fetched, audited.deadline)?.decode(codec, limits)?;
        claimed = (decoded.claims().groups, decoded.claims().rollouts.len() as u64);
        decoded.seal(&audited.context, &audited.hotkey, audited.model.vocabulary)
    };
    walk().map_err(|rejection| (rejection, claimed))
}

/// What the corridor says up to the sample, against the report.
fn check_against_file(audited: &Audited, found: Result<Sealed, (Rejection, Claimed)>) -> Result<(), Flaw> {
    let report = &audited.report;
    if is_trouble(&report.file) {
        return Ok(());
    }
    let sealed = match found {
        Err((rejection, claimed)) => {
            let found = MinerReport::refused(&audited.context, &audited.hotkey, rejection, claimed);
            return if *report == found {
                Ok(())
            } else {
                Err(differ("the file", word(&report.file), word(&found.file)))
            };
        }
        Ok(sealed) => sealed,
    };
    if report.file != Verdict::Accepted {
        return Err(differ("the file", word(&report.file), word(&Verdict::Accepted)));
    }
    if report.root != Some(sealed.root()) {
        return Err(differ(
            "the file",
            format!("root {:?}", report.root),
            format!("root {:?}", sealed.root()),
        ));
    }
    let claimed = sealed.group_count();
    if report.tally.groups_claimed != claimed {
        let told = format!("{} groups", report.tally.groups_claimed);
        return Err(differ("the file", told, format!("{claimed} groups")));
    }
    let seed = audited.context.seed();
    let mut stream = challenge_stream(&seed, &audited.challenge, &audited.hotkey);
    let picked = audited.sampling.pick(claimed, &mut stream);
    let told: Vec<_> = report.groups.iter().map(|group| group.group).collect();
    if told != picked {
        let list = |groups: &[grail_protocol::words::GroupIndex]| {
            format!("{:?}", groups.iter().map(|group| group.0).collect::<Vec<_>>())
        };
        return Err(Flaw::Sample { told: list(&told), found: list(&picked) });
    }
    let mut groups = sealed.into_groups().filter(|(group, _)| picked.contains(group));
    for told in &report.groups {
        let Some((group, records)) = groups.next() else { break };
        for (record, told) in records.iter().zip(&told.rollouts) {
            let claim = (record.rollout, record.tokens.len() as u64, record.reward.to_bits());
            if claim != (told.rollout, u64::from(told.tokens), told.claimed_reward.to_bits()) {
                let place = format!("group {group} rollout {}", record.rollout);
                let word = |tokens: u64, reward: f32| format!("{tokens} tokens claiming {reward}");
                let found = word(record.tokens.len() as u64, record.reward);
                return Err(differ(&place, word(u64::from(told.tokens), told.claimed_reward), found));
            }
        }
    }
    Ok(())
}
