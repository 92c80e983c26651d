//! What only a subnet of the real chain has: a runtime that changes, immunity, collateral.

use super::check::Finding;
use grail_chain::{Subnet, surface::SurfacePart, terms::Membership};
use grail_ports::Fault;
use grail_protocol::words::Hotkey;

/// Smallest units of a token.
const RAO: f64 = 1e9;

/// Whether the node's runtime has what this program reads and writes, by name.
pub(super) async fn runtime(subnet: &Subnet) -> Finding {
    match subnet.surface().await {
        Ok((spec, parts)) => surface(spec, &parts),
        Err(fault) => unanswered("runtime", &fault),
    }
}

fn surface(spec: u32, parts: &[SurfacePart]) -> Finding {
    let trouble: Vec<String> =
        parts.iter().filter(|part| part.is_trouble()).map(SurfacePart::to_string).collect();
    if trouble.is_empty() {
        return Finding::good("runtime", format!("runtime {spec} has all that is read and written here"));
    }
    let told = format!("runtime {spec}: {}", trouble.join("; "));
    Finding::warning(
        "runtime",
        "runtime-differs",
        told,
        "is there a newer version of this program? grail chain runtime",
    )
}

/// How long a newcomer keeps its place, and what is locked; nothing for those who are not registered.
pub(super) async fn standing(subnet: &Subnet, hotkey: &Hotkey) -> Option<Finding> {
    match subnet.membership(hotkey).await {
        Ok(found) => found.as_ref().map(stands),
        Err(fault) => Some(unanswered("standing", &fault)),
    }
}

fn stands(found: &Membership) -> Finding {
    let mut told = match found.immune_until {
        Some(until) if until > found.block => format!("immune until block {until}"),
        Some(until) => format!("no longer immune, since block {until}"),
        None => "how long it is immune is not known".to_owned(),
    };
    if let Some(collateral) = &found.collateral {
        let locked = collateral.locked as f64 / RAO;
        told += &format!("; {locked:.4} locked as collateral, released only by what the hotkey earns");
    }
    Finding::good("standing", told)
}

fn unanswered(check: &'static str, fault: &Fault) -> Finding {
    let remedy = "try again; if it stays, name another node in BT_CHAIN_ENDPOINT";
    Finding::bad(check, "chain-unreachable", fault.chain(), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_chain::{
        runtime::MinerCollateral,
        surface::{PartKind, PartState},
    };
    use grail_protocol::words::BlockNumber;

    #[test]
    fn a_runtime_that_lacks_something_is_a_warning_with_its_name() {
        let part = |state| SurfacePart {
            kind: PartKind::Call,
            name: "SubtensorModule.set_weights".into(),
            state,
            without: "weights cannot be set in this way",
            vital: false,
        };
        assert_eq!(surface(293, &[part(PartState::Present), part(PartState::Absent)]).code, None);
        let found = surface(999, &[part(PartState::Missing)]);
        assert_eq!(found.code, Some("runtime-differs"));
        assert!(
            found.told.contains("999") && found.told.contains("set_weights is missing"),
            "{}",
            found.told
        );
    }

    #[test]
    fn immunity_and_collateral_are_told() {
        let mut found = Membership {
            block: BlockNumber(100),
            uid: 3,
            coldkey: None,
            validator_permit: false,
            last_update: BlockNumber(90),
            next_weights: BlockNumber(190),
            registered: Some(BlockNumber(90)),
            immune_until: Some(BlockNumber(190)),
            collateral: None,
        };
        assert_eq!(stands(&found).told, "immune until block 190");
        found.block = BlockNumber(200);
        found.collateral = Some(MinerCollateral { locked: 2_500_000_000, min_locked: 0, earned: 0 });
        let told = stands(&found).told;
        assert!(told.contains("no longer immune") && told.contains("2.5000 locked as collateral"), "{told}");
    }
}
