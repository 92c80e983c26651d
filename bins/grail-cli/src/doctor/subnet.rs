//! What only a subnet of the real chain has: a runtime that changes.

use super::check::Finding;
use grail_chain::{Subnet, surface::SurfacePart};
use grail_ports::Fault;

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

fn unanswered(check: &'static str, fault: &Fault) -> Finding {
    let remedy = "try again; if it stays, name another node in BT_CHAIN_ENDPOINT";
    Finding::bad(check, "chain-unreachable", fault.chain(), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_chain::surface::{PartKind, PartState};

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
}
